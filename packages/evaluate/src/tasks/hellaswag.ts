import type { EvaluationTask } from '../task/task.js';

export const hellaswag: EvaluationTask = {
  name: 'hellaswag',
  description: 'which of four endings continues a scene',
  source: 'Zellers et al. 2019, HellaSwag',
  kind: 'choice',
  data: {
    files: ['hellaswag/validation.jsonl'],
    fewShotFiles: ['hellaswag/train.jsonl', 'hellaswag/validation.jsonl'],
    origin: 'hf:Rowan/hellaswag',
  },
  fields: { prompt: 'prompt', choices: 'choices', answer: 'answer' },
  layouts: [
    {
      name: 'Rowan/hellaswag',
      prompt: '{{activity_label}}: {{ctx_a}} {{ctx_b|capitalized}}',
      choices: 'endings',
      answer: 'label',
      clean: 'brackets',
    },
  ],
  prompt: '{{prompt}}',
  fewShot: { count: 0, order: 'sample' },
  metrics: ['acc_norm', 'acc'],
};
