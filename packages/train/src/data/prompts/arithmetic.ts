/** Word problems; `{a}`, `{b}`, `{c}` are numbers. */
const templates = [
  'A box holds {a} pencils. How many pencils are in {b} boxes? Think step by step.',
  'Anna has {a} euros and spends {c} euros. How much is left?',
  'A train travels {a} kilometres in {c} hours. What is its average speed?',
  'What is {a} + {b}?',
  'What is {a} times {c}? Show how you get there.',
  'A recipe for {c} people needs {a} grams of flour. How much is needed for {b} people?',
  'A shirt costs {a} dollars and is sold at {b} percent off. What is the new price?',
  'Divide {a} sweets among {c} children. How many does each get, and how many remain?',
  'A rectangle is {a} metres long and {b} metres wide. What are its area and its perimeter?',
  'Sort these numbers from small to large: {a}, {c}, {b}.',
  'Which is larger, {a} or {b}? Explain how you know.',
  'If today is Monday, which day is it in {b} days?',
  'A tank holds {a} litres and loses {c} litres an hour. When is it empty?',
  'Write {a} as a product of prime numbers.',
  'Tom is {c} years older than Lisa; together they are {a}. How old is each?',
  'A bus leaves every {c} minutes from 8:00. When does the {b}th bus leave?',
];
const rounds = 6;

/** Each template with numbers of several sizes. */
export const arithmeticPrompts: readonly string[] = templates.flatMap((template, index) =>
  Array.from({ length: rounds }, (_, round) => {
    const turn = index * rounds + round;
    const numbers: Record<string, number> = { a: 24 + ((turn * 37) % 240), b: 5 + ((turn * 13) % 45), c: 2 + ((turn * 5) % 9) };
    return template.replace(/\{([abc])\}/g, (_match, name: string) => String(numbers[name]));
  }),
);
