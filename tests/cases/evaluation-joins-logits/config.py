from transformers import TrainingArguments

args = TrainingArguments(
    output_dir="out",
    per_device_train_batch_size=4,
    per_device_eval_batch_size=8,
    evaluation_strategy="steps",
    eval_steps=500,
    bf16=True,
)
