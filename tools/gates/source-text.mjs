/**
 * What is taken of a file of training text: all of it, its first characters, or the first records of a multiple-choice set, each as the text
 * that a question is scored by with its right answer, `prompt + " " + choice`.
 *
 * @param {string} content
 * @param {{ characters?: number, choiceRecords?: number }} [part]
 */
export function sourceText(content, { characters, choiceRecords } = {}) {
  if (choiceRecords === undefined) return characters === undefined ? content : content.slice(0, characters);
  const lines = content.split('\n').filter((line) => line.trim() !== '');
  if (lines.length < choiceRecords) throw new Error(`There are ${lines.length} records, not ${choiceRecords}.`);
  return lines
    .slice(0, choiceRecords)
    .map((line, at) => {
      const { prompt, choices, answer } = JSON.parse(line);
      const choice = choices?.[answer];
      if (typeof prompt !== 'string' || typeof choice !== 'string')
        throw new Error(`Record ${at + 1} is not {prompt, choices, answer} with the answer's index.`);
      return `${JSON.stringify({ text: `${prompt} ${choice}` })}\n`;
    })
    .join('');
}
