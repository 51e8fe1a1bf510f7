import type { EvaluationTask } from '../task/task.js';

export const squadV2: EvaluationTask = {
  name: 'squad_v2',
  description: 'answers from a paragraph, or "unanswerable"',
  source: 'Rajpurkar et al. 2018, SQuAD 2.0',
  kind: 'generate',
  data: { files: ['squad_v2/dev.jsonl', 'squad_v2/validation.jsonl'], expand: 'qas', origin: 'hf:rajpurkar/squad_v2' },
  fields: { prompt: 'question', answer: 'answers' },
  layouts: [
    { name: 'rajpurkar/squad_v2', prompt: '{{question}}', answer: 'answers' },
    { name: 'dev-v2.0.json', expand: ['paragraphs', 'qas'], prompt: '{{question}}', answer: 'answers' },
  ],
  prompt: 'Title: {{title}}\n\nBackground: {{context}}\n\nQuestion: {{prompt}}\n\nAnswer:',
  fewShot: { count: 0, order: 'sample' },
  metrics: ['f1', 'em'],
  generation: { maxTokens: 64, stop: ['\n'], score: 'squad' },
};
