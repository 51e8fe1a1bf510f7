import { InvalidArgumentError } from 'commander';

/** A whole number in plain digits, within bounds. */
export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`A whole number from ${low} to ${high} is needed.`);
  };
}

/** A number in decimal digits, within bounds. */
export function decimalNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^[+-]?(\d{1,16}(\.\d{0,20})?|\.\d{1,20})$/.test(text) ? Number(text) : Number.NaN;
    if (value >= low && value <= high) return value;
    throw new InvalidArgumentError(`A number from ${low} to ${high} is needed.`);
  };
}

/** Gathers an option that may be given several times. */
export function gather(most: number): (text: string, before: readonly string[] | undefined) => readonly string[] {
  return (text, before = []) => {
    if (before.length >= most) throw new InvalidArgumentError(`It can be given ${most} times at most.`);
    return [...before, text];
  };
}

/** Names out of a list, each once, separated by commas or given several times. */
export function gatherChoices<T extends string>(choices: readonly T[]): (text: string, before: readonly T[] | undefined) => readonly T[] {
  return (text, before = []) => {
    const all = [...before];
    for (const part of text.split(',')) {
      const choice = choices.find((name) => name === part.trim());
      if (choice === undefined) throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`);
      if (all.includes(choice)) throw new InvalidArgumentError('Each can be given once.');
      all.push(choice);
    }
    return all;
  };
}

/** `key=value`, several times; values are JSON where they can be read as such (`3`, `[1,2]`), else text. */
export function gatherPairs(
  most: number,
): (text: string, before: Readonly<Record<string, unknown>> | undefined) => Record<string, unknown> {
  return (text, before = {}) => {
    const match = /^([A-Za-z][A-Za-z0-9]{0,63})=([\s\S]{0,4096})$/.exec(text);
    if (!match) throw new InvalidArgumentError('The form is key=value.');
    if (Object.keys(before).length >= most) throw new InvalidArgumentError(`It can be given ${most} times at most.`);
    return { ...before, [match[1] as string]: jsonOrText(match[2] as string) };
  };
}

/** Stop strings are typed in shells: `\n`, `\t` and `\\` stand for what they stand for elsewhere. */
export function gatherEscaped(most: number): (text: string, before: readonly string[] | undefined) => readonly string[] {
  const add = gather(most);
  return (text, before) => add(withoutEscapes(text), before);
}

/** `3,5,8`: whole numbers within bounds. */
export function wholeNumbers(low: number, high: number): (text: string) => readonly number[] {
  const one = wholeNumber(low, high);
  return (text) => text.split(',').map((part) => one(part.trim()));
}

/** `0,10,25`: as {@link wholeNumbers}, at most `most` of them, none twice. */
export function wholeNumberList(low: number, high: number, most: number): (text: string) => readonly number[] {
  const all = wholeNumbers(low, high);
  return (text) => {
    const values = all(text);
    if (values.length > most || new Set(values).size < values.length)
      throw new InvalidArgumentError(`At most ${most} numbers are needed, each once.`);
    return values;
  };
}

function withoutEscapes(text: string): string {
  return text.replace(/\\([ntr\\])/g, (_, letter: string) => ({ n: '\n', t: '\t', r: '\r', '\\': '\\' })[letter] as string);
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
