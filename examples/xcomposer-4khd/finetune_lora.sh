#!/bin/bash
export CUDA_DEVICE_MAX_CONNECTIONS=1
DIR=`pwd`

export MODEL="internlm/internlm-xcomposer2-4khd-7b"
export DATA="data.txt"

GPUS_PER_NODE=2
NNODES=1

torchrun --nproc_per_node $GPUS_PER_NODE --nnodes $NNODES --node_rank 0 --master_addr localhost --master_port 6001 finetune.py \
    --model_name_or_path $MODEL \
    --data_path $DATA \
    --img_size 490 \
    --hd_num 16 \
    --given_num True \
    --bf16 False \
    --fp16 True \
    --fix_vit True \
    --fix_sampler True \
    --use_lora True \
    --output_dir output/finetune_lora \
    --num_train_epochs 1 \
    --batch_size 4 \
    --per_device_train_batch_size 1 \
    --per_device_eval_batch_size 1 \
    --gradient_accumulation_steps 8 \
    --evaluation_strategy "no" \
    --save_strategy "epoch" \
    --learning_rate 5e-5 \
    --gradient_checkpointing True \
    --lora_r 64 \
    --lora_alpha 64 \
    --max_length 16384 \
    --deepspeed ds_config_zero2.json
