import type { EvaluationTask, ProgramRunner } from '@gateskip/evaluate';
import { UsageError } from '../errors.js';
import type { Output } from '../output/output.js';

/**
 * What runs generated programs: only where `--execute-generated-code` asks for it.
 *
 * @throws UsageError, ProgramRunnerError
 */
export async function programRunnerOf(
  tasks: readonly EvaluationTask[],
  isAsked: boolean | undefined,
  output: Output,
): Promise<ProgramRunner | undefined> {
  const scored = tasks.filter(({ generation }) => generation?.score === 'python').map(({ name }) => name);
  if (!isAsked) {
    if (scored.length > 0)
      output.warn(`what is written for ${scored.join(', ')} is kept and not scored: that would run it (--execute-generated-code)`);
    return undefined;
  }
  if (scored.length === 0)
    throw new UsageError('--execute-generated-code is given, and no task has programs.', 'Leave it out, or add --tasks humaneval.', {
      what: '--execute-generated-code',
    });
  const { createProgramRunner, describeIsolation } = await import('@gateskip/evaluate');
  const runner = await createProgramRunner({ env: output.io.env });
  output.warn(`programs that the model writes for ${scored.join(', ')} run on this machine: ${describeIsolation(runner.isolation)}`);
  return runner;
}
