/**
 * Finds what JSON.parse lets pass: a key that appears twice in one object, and nesting deeper than `maxDepth`.
 * Expects text that JSON.parse accepts.
 * @returns what is wrong, or undefined.
 */
export function jsonFault(text: string, maxDepth: number): string | undefined {
  const keys: (Set<string> | undefined)[] = [];
  let expectKey = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"') {
      const start = i;
      for (i++; text[i] !== '"'; i++) {
        if (text[i] === '\\') i++;
        if (i >= text.length) return 'a string without an end';
      }
      const seen = keys.at(-1);
      if (!expectKey || !seen) continue;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      if (seen.has(key)) return `the key ${JSON.stringify(key.slice(0, 80))} appears twice`;
      seen.add(key);
      expectKey = false;
    } else if (c === '{' || c === '[') {
      if (keys.length >= maxDepth) return `it nests deeper than ${maxDepth}`;
      keys.push(c === '{' ? new Set() : undefined);
      expectKey = c === '{';
    } else if (c === '}' || c === ']') {
      keys.pop();
      expectKey = false;
    } else if (c === ',') expectKey = keys.at(-1) !== undefined;
  }
  return undefined;
}
