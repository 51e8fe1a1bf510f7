import type { EvaluationTask } from '../task/task.js';
import { questionLayouts } from './question-layouts.js';

/** Scored by the text of the choices; lm-evaluation-harness prints them and scores letters, which models of this size cannot read. */
export const commonsenseqa: EvaluationTask = {
  name: 'commonsenseqa',
  description: 'common sense, five choices scored by their text',
  source: 'Talmor et al. 2019, CommonsenseQA',
  kind: 'choice',
  data: {
    files: ['commonsenseqa/dev.jsonl', 'commonsenseqa/validation.jsonl'],
    fewShotFiles: ['commonsenseqa/train.jsonl'],
    origin: 'hf:tau/commonsense_qa',
  },
  fields: { prompt: 'prompt', choices: 'choices', answer: 'answer' },
  layouts: questionLayouts('tau/commonsense_qa', 'Question: {{question}}\nAnswer:'),
  prompt: '{{prompt}}',
  fewShot: { count: 0, order: 'sample' },
  metrics: ['acc_norm', 'acc'],
};
