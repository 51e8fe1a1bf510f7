import { backboneCases } from './cases/backbone-cases.js';
import { badInputCases } from './cases/bad-input-cases.js';
import { batchCases } from './cases/batch-cases.js';
import { denseCases } from './cases/dense-cases.js';
import { gateCases } from './cases/gate-cases.js';
import { lifecycleCases } from './cases/lifecycle-cases.js';
import { longStepCases } from './cases/long-step-cases.js';
import { notFiniteCases } from './cases/not-finite-cases.js';
import { resultCases } from './cases/result-cases.js';
import { ruleCases } from './cases/rule-cases.js';
import { sequenceCases } from './cases/sequence-cases.js';
import type { ConformanceCase, ConformanceOptions } from './options.js';

/**
 * Every check that a backend must pass, as a list that any test runner can run:
 *
 * ```ts
 * for (const { name, run } of conformanceCases({ backend, oracle: referenceBackend })) {
 *   test(name, async (context) => {
 *     const reason = await run();
 *     if (reason !== undefined) context.skip(reason);
 *   });
 * }
 * ```
 */
export function conformanceCases(options: ConformanceOptions): ConformanceCase[] {
  return [
    ...denseCases(options),
    ...ruleCases(options),
    ...gateCases(options),
    ...backboneCases(options),
    ...batchCases(options),
    ...longStepCases(options),
    ...sequenceCases(options),
    ...resultCases(options),
    ...badInputCases(options),
    ...lifecycleCases(options),
    ...notFiniteCases(options),
  ];
}
