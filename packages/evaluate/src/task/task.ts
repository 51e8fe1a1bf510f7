/**
 * How items of a task are scored.
 *
 * - `choice`: the log-probability of each choice after the same prompt.
 * - `partial`: each choice takes the place of `_` in the prompt, and the text after it is scored (WinoGrande).
 * - `last-word`: the last word of the text, its log-probability and whether greedy decoding would write it (LAMBADA).
 * - `generate`: the model writes greedily, the answer is taken out of the text.
 */
export type TaskKind = 'choice' | 'partial' | 'last-word' | 'generate';

/**
 * - `acc`: share of items where the right choice (or word) is the likeliest
 * - `acc_norm`: the same with log-probabilities divided by the choice's characters (code points)
 * - `perplexity`: exp of the mean negative log-probability of the target
 * - `exact_strict`, `exact_flexible`: GSM8K's answer after `####`, and the last number of the text
 * - `em`, `f1`: SQuAD v2
 * - `pass@1`: share of programs that pass their tests; only where programs are run
 */
export type MetricName = 'acc' | 'acc_norm' | 'perplexity' | 'exact_strict' | 'exact_flexible' | 'em' | 'f1' | 'pass@1';

export interface TaskData {
  /** Names below the data folder, in order of preference. */
  readonly files: readonly string[];
  /** Where examples come from; default: `files`, an item never being its own example. */
  readonly fewShotFiles?: readonly string[];
  /** Field with a list of records inside a record, each joined with its outer fields. */
  readonly expand?: string;
  /** Where the original lives, for people. */
  readonly origin?: string;
}

/** Names of fields in a record; `outer.inner` is a field within a field. */
export interface TaskFields {
  readonly prompt: string;
  /** A field with the choices (texts, `{text: [...], label: [...]}` or a list of `{text, label}`), or one field per choice. */
  readonly choices?: string | readonly string[];
  /** Right choice: its index, its letter, or its label; for `generate` the text, a list of texts, or `{text: [...]}`. */
  readonly answer?: string;
  /** What the first choice is called where answers are numbers; default 0. */
  readonly answerBase?: number;
}

/**
 * Another form in which records of a task come, say as the hub serves them. A record is taken to be of the first form all of
 * whose fields it has; the task's own `fields` come first.
 */
export interface RecordLayout {
  /** Where records look like this, for people. */
  readonly name: string;
  /** Lists of records inside a record, outermost first, each joined with its outer fields. */
  readonly expand?: readonly string[];
  /** Template of what the task's prompt field would hold. */
  readonly prompt: string;
  readonly choices?: TaskFields['choices'];
  readonly answer?: string;
  readonly answerBase?: number;
  /** `brackets`: marks like `[step]` taken out of prompt and choices as lm-evaluation-harness does for HellaSwag. */
  readonly clean?: 'brackets';
}

export interface FewShot {
  /** Examples where nobody says how many. */
  readonly count: number;
  /** `sample`: drawn once by seed, the same for every item; `first`: the first ones. */
  readonly order: 'sample' | 'first';
  /** Examples share this field's value with the item. */
  readonly groupField?: string;
  /** Between examples; default a blank line. */
  readonly separator?: string;
  /** Template of what stands before the examples, also where there are none. */
  readonly description?: string;
}

export interface Generation {
  readonly maxTokens: number;
  readonly stop: readonly string[];
  /** How the text is scored; `python`: by running `program`, where that is allowed; `none`: it is only kept. */
  readonly score: 'gsm8k' | 'squad' | 'python' | 'none';
  /** For `python`: template of a program that ends without an error where the text is right; `{{completion}}` is the text. */
  readonly program?: string;
}

/** A task as data. `{{field}}` in templates is a record's field; `{{prompt}}` the prompt field, `{{choices}}` the lettered list. */
export interface EvaluationTask {
  readonly name: string;
  readonly description: string;
  /** Who made it, for credit. */
  readonly source: string;
  readonly kind: TaskKind;
  readonly data: TaskData;
  readonly fields: TaskFields;
  readonly layouts?: readonly RecordLayout[];
  /** Taken off the start and the end of the prompt field where they are there. */
  readonly frame?: { readonly prefix: string; readonly suffix: string };
  readonly prompt: string;
  /** What is scored: the choice's text (default) or its letter. */
  readonly choiceForm?: 'text' | 'letter';
  /** Between prompt and choice; default a space. */
  readonly delimiter?: string;
  readonly fewShot: FewShot;
  /** The first one stands for the task in charts and averages. */
  readonly metrics: readonly MetricName[];
  readonly generation?: Generation;
}
