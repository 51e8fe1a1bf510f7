import type { EvaluationTask } from '../task/task.js';

/** Completions are written and kept; nothing here runs them, because that runs code of a model. */
export const humaneval: EvaluationTask = {
  name: 'humaneval',
  description: 'Python functions from their docstring; written only, not run',
  source: 'Chen et al. 2021, HumanEval',
  kind: 'generate',
  data: { files: ['humaneval/test.jsonl'], origin: 'hf:openai/openai_humaneval' },
  fields: { prompt: 'prompt' },
  prompt: '{{prompt}}',
  fewShot: { count: 0, order: 'sample' },
  metrics: [],
  generation: { maxTokens: 512, stop: ['\nclass', '\ndef', '\n#', '\nif', '\nprint'], score: 'none' },
};
