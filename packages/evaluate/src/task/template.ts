const PLACE = /\{\{([^{}]*)\}\}/g;
const NAME = /^([A-Za-z][A-Za-z0-9_]*)(\|words)?$/;

/** Names that a template uses. @throws Error where a place in braces is no name */
export function fieldsOf(template: string): readonly string[] {
  return Array.from(template.matchAll(PLACE), ([whole, inside]) => {
    const match = NAME.exec(inside as string);
    if (!match) throw new Error(`${JSON.stringify(whole)} in a template is not {{field}} or {{field|words}}`);
    return match[1] as string;
  });
}

/**
 * Fills `{{field}}`; `{{field|words}}` with spaces for underscores. What is filled in is not read again.
 *
 * @param textOf undefined where there is no such text
 * @throws Error naming the field that is missing
 */
export function fillTemplate(template: string, textOf: (field: string) => string | undefined): string {
  return template.replace(PLACE, (_, inside: string) => {
    const [, field, words] = NAME.exec(inside) as unknown as [string, string, string | undefined];
    const value = textOf(field);
    if (value === undefined) throw new Error(`the field ${JSON.stringify(field)} is missing or no text`);
    return words === undefined ? value : value.replaceAll('_', ' ');
  });
}
