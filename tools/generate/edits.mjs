/**
 * A change to a file that is there already: its whole text in, its new text out, `undefined` where the file is not as expected.
 *
 * @typedef {(text: string) => string | undefined} Change
 */

/**
 * Puts `line` in front of the one place that holds `mark`.
 *
 * @param {string} mark
 * @param {string} line
 * @returns {Change}
 */
export function insertBefore(mark, line) {
  return (text) => (text.split(mark).length === 2 ? text.replace(mark, () => line + mark) : undefined);
}

/**
 * Adds an import among those whose specifier starts with `prefix`, in alphabetical order.
 *
 * @param {string} prefix
 * @param {string} specifier
 * @param {string} line
 * @returns {Change}
 */
export function insertImport(prefix, specifier, line) {
  return (text) => {
    const lines = text.split('\n');
    const specifiers = lines.map((each) => /^import .* from '(.*)';$/.exec(each)?.[1]);
    const family = specifiers.flatMap((each, index) => (each?.startsWith(prefix) ? [index] : []));
    if (family.length === 0) return undefined;
    const next = family.find((index) => /** @type {string} */ (specifiers[index]) > specifier) ?? family[family.length - 1] + 1;
    return lines.toSpliced(next, 0, line).join('\n');
  };
}
