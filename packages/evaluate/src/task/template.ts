/** What a model wrote, in the template of a program. */
export const COMPLETION = '{{completion}}';

const PLACE = /\{\{([^{}]*)\}\}/g;
const NAME = /^([A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*)(?:\|(words|capitalized|trimmed))?$/;

const FILTERS: Readonly<Record<string, (value: string) => string>> = {
  words: (value) => value.replaceAll('_', ' '),
  // As Python's str.capitalize, which lm-evaluation-harness uses: the rest becomes small.
  capitalized(value) {
    const [first = ''] = value;
    // "ß" becomes "Ss", not "SS".
    const [head = '', ...tail] = first.toUpperCase();
    return head + tail.join('').toLowerCase() + value.slice(first.length).toLowerCase();
  },
  trimmed: (value) => value.trim(),
};

/** Names that a template uses. @throws Error where a place in braces is no name */
export function fieldsOf(template: string): readonly string[] {
  return Array.from(template.matchAll(PLACE), ([whole, inside]) => {
    const match = NAME.exec(inside as string);
    if (!match)
      throw new Error(
        `${JSON.stringify(whole)} in a template is not {{field}}, {{field.inner}} or {{field|words}} (or |capitalized, |trimmed)`,
      );
    return match[1] as string;
  });
}

/**
 * Fills `{{field}}`, `{{field.inner}}`; `{{field|words}}` with spaces for underscores, `|capitalized` with the first character
 * large and the rest small, `|trimmed` without white space around it. What is filled in is not read again.
 *
 * @param textOf undefined where there is no such text
 * @throws Error naming the field that is missing
 */
export function fillTemplate(template: string, textOf: (field: string) => string | undefined): string {
  return template.replace(PLACE, (_, inside: string) => {
    const [, field, filter] = NAME.exec(inside) as unknown as [string, string, string | undefined];
    const value = textOf(field);
    if (value === undefined) throw new Error(`the field ${JSON.stringify(field)} is missing or no text`);
    return FILTERS[filter ?? '']?.(value) ?? value;
  });
}
