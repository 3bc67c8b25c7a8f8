#!/usr/bin/env bash
# LoRA on receipts. The same command trains InternVL2.5-4B on this machine.
CUDA_VISIBLE_DEVICES=0 swift sft \
    --model AIDC-AI/Ovis2-4B \
    --dataset data/receipts.jsonl \
    --train_type lora \
    --torch_dtype bfloat16 \
    --lora_rank 8 \
    --lora_alpha 32 \
    --num_train_epochs 3 \
    --per_device_train_batch_size 1 \
    --gradient_accumulation_steps 16 \
    --attn_impl flash_attn \
    --output_dir output/ovis2
