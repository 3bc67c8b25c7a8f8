OMP_NUM_THREADS=1 torchrun --standalone --nnodes=1 --nproc_per_node=4 finetune_vision.py data/ THUDM/glm-4v-9b configs/lora.yaml
