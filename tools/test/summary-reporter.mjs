import { writeFileSync } from 'node:fs';

/**
 * A vitest reporter that writes what `pnpm check` adds up: counts, failures with their messages, skips with their reasons.
 * The file's path comes in the environment variable GATESKIP_TEST_SUMMARY.
 */
export default class SummaryReporter {
  /**
   * @param {ReadonlyArray<import('vitest/node').TestModule>} modules
   * @param {ReadonlyArray<import('vitest/node').SerializedError>} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const path = process.env.GATESKIP_TEST_SUMMARY;
    if (!path) return;
    let passed = 0;
    /** @type {{ name: string, message: string }[]} */
    const failures = [];
    /** @type {{ name: string, reason: string }[]} */
    const skips = [];
    for (const module of modules) {
      for (const error of module.errors()) failures.push({ name: module.relativeModuleId, message: describe(error) });
      for (const suite of module.children.allSuites()) {
        for (const error of suite.errors())
          failures.push({ name: `${module.relativeModuleId} > ${suite.fullName}`, message: describe(error) });
      }
      for (const test of module.children.allTests()) {
        const name = `${module.relativeModuleId} > ${test.fullName}`;
        const result = test.result();
        if (result.state === 'passed') passed += 1;
        else if (result.state === 'failed') failures.push({ name, message: result.errors.map(describe).join('\n') });
        else if (result.state === 'skipped') skips.push({ name, reason: result.note ?? '' });
        else failures.push({ name, message: 'The test never ended.' });
      }
    }
    for (const error of unhandledErrors) failures.push({ name: 'outside any test', message: describe(error) });
    writeFileSync(path, JSON.stringify({ passed, failures, skips }));
  }
}

/** @param {{ message?: string, stack?: string, diff?: string }} error */
function describe(error) {
  const place = error.stack
    ?.split('\n')
    .find((line) => line.includes('.test.'))
    ?.trim();
  return [error.message ?? String(error), error.diff, place].filter(Boolean).join('\n');
}
