/**
 * Takes out the marks that WikiHow's articles left in HellaSwag, step by step as lm-evaluation-harness does, so that the same
 * text is scored.
 */
export function cleanBrackets(text: string): string {
  return text
    .trim()
    .replaceAll(' [title]', '. ')
    .replace(/\[[^\n]*?\]/g, '')
    .replaceAll('  ', ' ');
}
