import type { EvaluationTask } from '../task/task.js';
import { questionLayouts } from './question-layouts.js';

export const openbookqa: EvaluationTask = {
  name: 'openbookqa',
  description: 'elementary science, the choice continues the stem; no fact is given',
  source: 'Mihaylov et al. 2018, OpenBookQA',
  kind: 'choice',
  data: { files: ['openbookqa/test.jsonl'], fewShotFiles: ['openbookqa/train.jsonl'], origin: 'hf:allenai/openbookqa' },
  fields: { prompt: 'prompt', choices: 'choices', answer: 'answer' },
  layouts: questionLayouts('allenai/openbookqa', '{{question_stem}}'),
  prompt: '{{prompt}}',
  fewShot: { count: 0, order: 'sample' },
  metrics: ['acc_norm', 'acc'],
};
