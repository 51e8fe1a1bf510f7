import type { RecordLayout } from '../task/task.js';

/**
 * Layouts of the question sets of AI2 and their kin: flat on the hub, and with the question as an object in the files that
 * their makers publish.
 *
 * @param prompt template for the hub's fields
 */
export function questionLayouts(name: string, prompt: string): readonly RecordLayout[] {
  const stem = prompt.replace(/\{\{[^{}]*\}\}/, '{{question.stem}}');
  return [
    { name, prompt, choices: 'choices', answer: 'answerKey' },
    { name: 'question.stem', prompt: stem, choices: 'question.choices', answer: 'answerKey' },
  ];
}
