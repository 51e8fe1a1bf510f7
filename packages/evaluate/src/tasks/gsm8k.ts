import type { EvaluationTask } from '../task/task.js';

export const gsm8k: EvaluationTask = {
  name: 'gsm8k',
  description: 'grade-school sums with written reasoning, five examples',
  source: 'Cobbe et al. 2021, GSM8K',
  kind: 'generate',
  data: { files: ['gsm8k/test.jsonl'], fewShotFiles: ['gsm8k/train.jsonl'], origin: 'hf:openai/gsm8k' },
  fields: { prompt: 'question', answer: 'answer' },
  prompt: 'Question: {{prompt}}\nAnswer:',
  fewShot: { count: 5, order: 'sample' },
  metrics: ['exact_strict', 'exact_flexible'],
  generation: { maxTokens: 256, stop: ['Question:', '</s>', '<|im_end|>'], score: 'gsm8k' },
};
