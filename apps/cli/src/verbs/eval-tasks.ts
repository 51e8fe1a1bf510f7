import type { Output } from '../output/output.js';
import { table } from '../output/table.js';

/** Lists the tasks that come along. */
export async function listTasks(output: Output): Promise<void> {
  const { tasks } = await import('@gateskip/evaluate');
  await output.document({ tasks });
  await output.print(
    table(
      ['task', 'kind', 'metrics', 'data', ''],
      tasks.map(({ name, kind, metrics, data, description }) => [name, kind, metrics.join(', '), data.files[0] ?? '', description]),
    ),
  );
}
