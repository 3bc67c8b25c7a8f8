"""Fine-tune Qwen2.5-0.5B and report token accuracy on a held-out set."""

import numpy as np
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForLanguageModeling, Trainer, TrainingArguments

MODEL = "Qwen/Qwen2.5-0.5B"
BATCH = 4

tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL, torch_dtype="bfloat16", attn_implementation="sdpa")
data = load_dataset("json", data_files={"train": "train.jsonl", "test": "test.jsonl"})
data = data.map(lambda row: tokenizer(row["text"], truncation=True, max_length=1024), remove_columns=["text"])


def compute_metrics(result):
    predictions, labels = result
    kept = labels[:, 1:] != -100
    return {"accuracy": float(np.mean((predictions.argmax(-1)[:, :-1] == labels[:, 1:])[kept]))}


arguments = TrainingArguments(
    output_dir="out",
    per_device_train_batch_size=BATCH,
    per_device_eval_batch_size=8,
    gradient_accumulation_steps=4,
    gradient_checkpointing=True,
    eval_strategy="steps",
    eval_steps=200,
    num_train_epochs=1,
    learning_rate=1e-5,
    bf16=True,
)
trainer = Trainer(
    model=model,
    args=arguments,
    train_dataset=data["train"],
    eval_dataset=data["test"],
    data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    compute_metrics=compute_metrics,
)
trainer.train()
