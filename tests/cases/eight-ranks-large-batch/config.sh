torchrun --nproc_per_node 8 train.py \
    --model_name_or_path meta-llama/Llama-3.1-8B \
    --per_device_train_batch_size 64 \
    --gradient_accumulation_steps 1 \
    --bf16 True \
    --max_seq_length 512
