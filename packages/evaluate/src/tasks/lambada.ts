import type { EvaluationTask } from '../task/task.js';

export const lambada: EvaluationTask = {
  name: 'lambada',
  description: 'the last word of a passage',
  source: "Paperno et al. 2016, LAMBADA, in OpenAI's form",
  kind: 'last-word',
  data: { files: ['lambada/test.jsonl'], origin: 'hf:EleutherAI/lambada_openai' },
  fields: { prompt: 'text' },
  prompt: '{{prompt}}',
  fewShot: { count: 0, order: 'sample' },
  metrics: ['acc', 'perplexity'],
};
