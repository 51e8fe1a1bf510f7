import type { EvaluationTask } from '../task/task.js';
import { questionLayouts } from './question-layouts.js';

export const arcEasy: EvaluationTask = {
  name: 'arc_easy',
  description: 'grade-school science questions, the easy set',
  source: 'Clark et al. 2018, AI2 Reasoning Challenge',
  kind: 'choice',
  data: { files: ['arc_easy/test.jsonl'], fewShotFiles: ['arc_easy/train.jsonl'], origin: 'hf:allenai/ai2_arc' },
  fields: { prompt: 'prompt', choices: 'choices', answer: 'answer' },
  layouts: questionLayouts('allenai/ai2_arc', 'Question: {{question}}\nAnswer:'),
  prompt: '{{prompt}}',
  fewShot: { count: 0, order: 'sample' },
  metrics: ['acc_norm', 'acc'],
};
