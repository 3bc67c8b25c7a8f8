# full SFT at 2048 tokens on one RTX 3090
cd trainer
python train_full_sft.py \
    --epochs 2 \
    --batch_size 32 \
    --max_seq_len 2048 \
    --hidden_size 768 \
    --num_hidden_layers 16 \
    --dtype bfloat16 \
    --data_path ../dataset/sft_2048.jsonl
