import type { EvaluationTask } from '../task/task.js';

export const winogrande: EvaluationTask = {
  name: 'winogrande',
  description: 'whom a pronoun means: each name is put in its place, the text after it is scored',
  source: 'Sakaguchi et al. 2020, WinoGrande',
  kind: 'partial',
  data: {
    files: ['winogrande/dev.jsonl', 'winogrande/validation.jsonl'],
    fewShotFiles: ['winogrande/train.jsonl'],
    origin: 'hf:allenai/winogrande',
  },
  fields: { prompt: 'prompt', choices: 'choices', answer: 'answer' },
  layouts: [{ name: 'allenai/winogrande', prompt: '{{sentence}}', choices: ['option1', 'option2'], answer: 'answer', answerBase: 1 }],
  prompt: '{{prompt}}',
  fewShot: { count: 0, order: 'sample' },
  metrics: ['acc'],
};
