import { InvalidBudgetError } from './errors.js';
import type { Budget } from './policy.js';

/** The words of a budget. */
export type BudgetUnit = 'skip' | 'net' | 'speedup';

const UNITS: readonly string[] = ['skip', 'net', 'speedup'];
const PATTERN = /^(?:(skip|net|speedup)=)?([0-9]+(?:\.[0-9]+)?|\.[0-9]+)([%x]?)$/;

/**
 * Reads `skip=25%`, `skip=0.25`, `net=0.85`, `net=85%`, `speedup=1.3x`, `speedup=1.3`, or `25%`, which means skip.
 *
 * @throws InvalidBudgetError
 */
export function parseBudget(text: string): Budget {
  const match = typeof text === 'string' && text.length <= 64 ? PATTERN.exec(text.trim()) : null;
  if (match === null) throw new InvalidBudgetError(typeof text === 'string' ? text.slice(0, 64) : text, 'it cannot be read');
  const [, unit, digits, suffix] = match;
  if (unit === undefined && suffix !== '%') throw new InvalidBudgetError(text, 'a bare number needs a % sign');
  if (suffix === 'x' && unit !== 'speedup') throw new InvalidBudgetError(text, 'only a speedup ends in x');
  if (suffix === '%' && unit === 'speedup') throw new InvalidBudgetError(text, 'a speedup is a factor, not a percentage');
  const value = suffix === '%' ? Number(digits) / 100 : Number(digits);
  return validateBudget({ [unit ?? 'skip']: value } as unknown as Budget);
}

/** The shortest text that {@link parseBudget} reads back: `skip=25%`, `net=85%`, `speedup=1.3x`. */
export function formatBudget(budget: Budget): string {
  const { unit, value } = budgetParts(budget);
  const shown = Number((unit === 'speedup' ? value : 100 * value).toPrecision(12));
  return unit === 'speedup' ? `speedup=${plain(shown)}x` : `${unit}=${plain(shown)}%`;
}

/** A budget's unit and number, checked. */
export function budgetParts(budget: Budget): { readonly unit: BudgetUnit; readonly value: number } {
  const entries = budget !== null && typeof budget === 'object' ? Object.entries(budget) : [];
  if (entries.length !== 1 || !UNITS.includes(entries[0]![0]))
    throw new InvalidBudgetError(budget, 'it must have exactly one of skip, net, speedup');
  const [unit, value] = entries[0] as [BudgetUnit, unknown];
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new InvalidBudgetError(budget, `${unit} must be a finite number`);
  if (unit === 'skip' && !(value >= 0 && value < 1)) throw new InvalidBudgetError(budget, 'skip must be at least 0 and below 1');
  if (unit === 'net' && !(value > 0 && value <= 1)) throw new InvalidBudgetError(budget, 'net must be above 0 and at most 1');
  if (unit === 'speedup' && !(value >= 1 && value <= 1e6)) throw new InvalidBudgetError(budget, 'speedup must be at least 1');
  return { unit, value };
}

/**
 * Checks a budget that comes from outside.
 *
 * @returns the budget itself
 * @throws InvalidBudgetError
 */
export function validateBudget(budget: Budget): Budget {
  budgetParts(budget);
  return budget;
}

/** Decimal digits without an exponent. */
function plain(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(15).replace(/\.?0+$/, '') : text;
}
