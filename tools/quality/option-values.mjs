/** @param {string} name @param {unknown} given @param {number} least */
export function wholeOption(name, given, least) {
  const value = Number(given);
  if (!Number.isInteger(value) || value < least) throw new Error(`--${name} must be a whole number from ${least} on, got ${given}.`);
  return value;
}

/** @param {string} text percent saved @param {number} [least] */
export function shareOption(text, least = Number.MIN_VALUE) {
  const value = text.trim() === '' ? Number.NaN : Number(text) / 100;
  if (!(value >= least && value < 1)) throw new Error(`--budgets has percentages of MACs saved, between 0 and 100, got ${text}.`);
  return value;
}
