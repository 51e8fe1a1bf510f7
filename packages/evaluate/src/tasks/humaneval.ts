import type { EvaluationTask } from '../task/task.js';

/** Completions are written and kept; they are scored only where somebody allows that code of a model is run. */
export const humaneval: EvaluationTask = {
  name: 'humaneval',
  description: 'Python functions from their docstring, run only on request',
  source: 'Chen et al. 2021, HumanEval',
  kind: 'generate',
  data: { files: ['humaneval/test.jsonl'], origin: 'hf:openai/openai_humaneval' },
  fields: { prompt: 'prompt' },
  prompt: '{{prompt}}',
  fewShot: { count: 0, order: 'sample' },
  metrics: ['pass@1'],
  // Stop texts, length and program of lm-evaluation-harness.
  generation: {
    maxTokens: 1024,
    stop: ['\nclass', '\ndef', '\n#', '\nif', '\nprint'],
    score: 'python',
    program: '{{prompt}}{{completion}}\n{{test}}\ncheck({{entry_point}})',
  },
};
