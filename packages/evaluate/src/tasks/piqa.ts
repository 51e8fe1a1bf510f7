import type { EvaluationTask } from '../task/task.js';

export const piqa: EvaluationTask = {
  name: 'piqa',
  description: 'which of two ways reaches an everyday goal',
  source: 'Bisk et al. 2020, PIQA',
  kind: 'choice',
  data: { files: ['piqa/validation.jsonl'], fewShotFiles: ['piqa/train.jsonl', 'piqa/validation.jsonl'], origin: 'hf:ybisk/piqa' },
  fields: { prompt: 'prompt', choices: 'choices', answer: 'answer' },
  layouts: [{ name: 'ybisk/piqa', prompt: 'Question: {{goal}}\nAnswer:', choices: ['sol1', 'sol2'], answer: 'label' }],
  prompt: '{{prompt}}',
  fewShot: { count: 0, order: 'sample' },
  metrics: ['acc_norm', 'acc'],
};
