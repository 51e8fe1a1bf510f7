import { RecipeInvalidError } from './errors.js';

/** Checked reading of one object of a recipe: every key is read once, unknown ones are refused by {@link Fields.end}. */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #read = new Set<string>();

  /** @param path of the object, '' for the recipe itself */
  constructor(
    value: unknown,
    readonly path: string,
  ) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new RecipeInvalidError(path, `${path === '' ? 'it' : `"${path}"`} is not an object.`, 'object', value);
    this.#values = value as Record<string, unknown>;
  }

  has(key: string): boolean {
    return this.#values[key] !== undefined;
  }

  object(key: string): Fields {
    return new Fields(this.#take(key), this.#name(key));
  }

  optionalObject(key: string): Fields | undefined {
    return this.has(key) ? this.object(key) : undefined;
  }

  text(key: string, mostLength: number): string {
    const value = this.#take(key);
    if (typeof value !== 'string' || value.length > mostLength)
      throw this.#refuse(key, `must be a text of at most ${mostLength} characters`, mostLength, value);
    return value;
  }

  truth(key: string): boolean {
    const value = this.#take(key);
    if (typeof value !== 'boolean') throw this.#refuse(key, 'must be true or false', 'boolean', value);
    return value;
  }

  /** In low..high. */
  number(key: string, low: number, high: number): number {
    const value = this.#take(key);
    if (typeof value !== 'number' || !(value >= low && value <= high))
      throw this.#refuse(key, `must be a number in ${low}..${high}`, [low, high], value);
    return value;
  }

  /** Above 0, at most high. */
  positive(key: string, high: number): number {
    const value = this.number(key, 0, high);
    if (value === 0) throw this.#refuse(key, `must be above 0 and at most ${high}`, [0, high], value);
    return value;
  }

  whole(key: string, low: number, high: number): number {
    const value = this.#take(key);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high)
      throw this.#refuse(key, `must be a whole number in ${low}..${high}`, [low, high], value);
    return value;
  }

  choice<T extends string>(key: string, choices: readonly T[]): T {
    const value = this.#take(key);
    if (!choices.includes(value as T)) throw this.#refuse(key, `must be one of ${choices.join(', ')}`, choices, value);
    return value as T;
  }

  choices<T extends string>(key: string, choices: readonly T[]): T[] {
    const value = this.#list(key, choices.length);
    value.forEach((item, index) => {
      if (!choices.includes(item as T) || value.indexOf(item) !== index)
        throw this.#refuse(key, `must name ${choices.join(', ')}, each at most once`, choices, item);
    });
    return value as T[];
  }

  /** Ascending, each once. */
  numbers(key: string, low: number, high: number, most: number, whole = false): number[] {
    const value = this.#list(key, most);
    value.forEach((item, index) => {
      const isNumber = typeof item === 'number' && item >= low && item <= high && (!whole || Number.isInteger(item));
      if (!isNumber || (index > 0 && item <= (value[index - 1] as number)))
        throw this.#refuse(key, `must hold ${whole ? 'whole ' : ''}numbers in ${low}..${high}, ascending`, [low, high], item);
    });
    return value as number[];
  }

  /** Whatever it is. */
  raw(key: string): unknown {
    return this.#take(key);
  }

  /** @throws RecipeInvalidError for a key that nobody read */
  end(): void {
    for (const key of Object.keys(this.#values)) {
      if (!this.#read.has(key)) throw this.#refuse(key, 'is not known', [...this.#read], this.#values[key]);
    }
  }

  refuse(key: string, rule: string, expected: unknown, got: unknown): RecipeInvalidError {
    return this.#refuse(key, rule, expected, got);
  }

  #list(key: string, most: number): unknown[] {
    const value = this.#take(key);
    if (!Array.isArray(value) || value.length > most) throw this.#refuse(key, `must be a list of at most ${most} entries`, most, value);
    return value;
  }

  #take(key: string): unknown {
    this.#read.add(key);
    return this.#values[key];
  }

  #name(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }

  #refuse(key: string, rule: string, expected: unknown, got: unknown): RecipeInvalidError {
    const shown = got === undefined ? 'missing' : printable(JSON.stringify(got) ?? String(got));
    return new RecipeInvalidError(this.#name(key), `"${this.#name(key)}" ${rule}; it is ${shown}.`, expected, got);
  }
}

function printable(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?');
  return plain.length > 80 ? `${plain.slice(0, 79)}...` : plain;
}
