/**
 * Records as `gateskip eval` reads them (prompt, choices, answer), turned back into the fields that the harness's own task
 * definitions read, so that its templates and its preprocessing run as they are.
 *
 * @typedef {{ prompt?: string, choices?: readonly string[], answer?: number, text?: string }} LocalRecord
 */

const frame = { prefix: 'Question: ', suffix: '\nAnswer:' };

/** @param {string} prompt */
function questionOf(prompt) {
  if (!prompt.startsWith(frame.prefix) || !prompt.endsWith(frame.suffix))
    throw new Error(`This prompt is not framed as "Question: ...\\nAnswer:": ${JSON.stringify(prompt.slice(0, 80))}.`);
  return prompt.slice(frame.prefix.length, prompt.length - frame.suffix.length);
}

/** @type {Record<string, (record: Required<LocalRecord>) => object>} */
const forms = {
  // Where ctx_a ends is not in the records: all is ctx_a, and the harness's join leaves a space that it strips.
  hellaswag({ prompt, choices, answer }) {
    const colon = prompt.indexOf(': ');
    if (colon < 0) throw new Error(`This prompt has no "activity: " before it: ${JSON.stringify(prompt.slice(0, 80))}.`);
    return { activity_label: prompt.slice(0, colon), ctx_a: prompt.slice(colon + 2), ctx_b: '', endings: choices, label: String(answer) };
  },
  piqa: ({ prompt, choices, answer }) => ({ goal: questionOf(prompt), sol1: choices[0], sol2: choices[1], label: answer }),
  arc_easy({ prompt, choices, answer }) {
    const label = choices.map((_, index) => String.fromCharCode(65 + index));
    return { question: questionOf(prompt), choices: { text: choices, label }, answerKey: label[answer] };
  },
  lambada: ({ text }) => ({ text }),
};

/** Tasks that are compared, and the file of each. */
export const taskFiles = {
  hellaswag: 'hellaswag/validation.jsonl',
  piqa: 'piqa/validation.jsonl',
  arc_easy: 'arc_easy/test.jsonl',
  lambada: 'lambada/test.jsonl',
};

/** @param {string} task @param {LocalRecord} record */
export function harnessRecord(task, record) {
  const form = forms[task];
  if (!form) throw new Error(`There is no task "${task}" here. Known: ${Object.keys(forms).join(', ')}.`);
  return form(/** @type {Required<LocalRecord>} */ (record));
}
