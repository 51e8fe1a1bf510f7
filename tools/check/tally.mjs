/**
 * Adds up everything that was checked.
 *
 * @typedef {{ name: string, message: string }} Failure
 * @typedef {{ name: string, reason: string }} Skip
 */
export class Tally {
  passed = 0;
  /** @type {Failure[]} */
  failures = [];
  /** @type {Skip[]} */
  skips = [];

  /** @param {number} [count] */
  pass(count = 1) {
    this.passed += count;
  }

  /** @param {string} name @param {string} message */
  fail(name, message) {
    this.failures.push({ name, message });
  }

  /**
   * A skip without a reason is a failure: nobody could tell whether it matters.
   *
   * @param {string} name @param {string} reason
   */
  skip(name, reason) {
    if (reason.trim()) this.skips.push({ name, reason: reason.trim() });
    else this.fail(name, 'Skipped without a reason. Give one: context.skip(condition, reason).');
  }

  /** @param {Tally} other */
  add(other) {
    this.passed += other.passed;
    this.failures.push(...other.failures);
    this.skips.push(...other.skips);
  }

  /** The line that CI reads. */
  summary() {
    return `${this.passed} passed, ${this.failures.length} failed, ${this.skips.length} skipped`;
  }
}
