import type { EvaluationTask } from '../task/task.js';

export const mmlu: EvaluationTask = {
  name: 'mmlu',
  description: '57 subjects, letters of four printed choices, five examples of the same subject',
  source: 'Hendrycks et al. 2021, Measuring Massive Multitask Language Understanding',
  kind: 'choice',
  data: { files: ['mmlu/test.jsonl'], fewShotFiles: ['mmlu/dev.jsonl'], origin: 'hf:cais/mmlu' },
  fields: { prompt: 'prompt', choices: 'choices', answer: 'answer' },
  layouts: [{ name: 'cais/mmlu', prompt: '{{question|trimmed}}', choices: 'choices', answer: 'answer' }],
  frame: { prefix: 'Question: ', suffix: '\nAnswer:' },
  prompt: '{{prompt}}\n{{choices}}\nAnswer:',
  choiceForm: 'letter',
  fewShot: {
    count: 5,
    order: 'first',
    groupField: 'subject',
    description: 'The following are multiple choice questions (with answers) about {{subject|words}}.\n\n',
  },
  metrics: ['acc'],
};
