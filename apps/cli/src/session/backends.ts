import type { BackendRegistry } from '@gateskip/backend';

/** The backends that the command line is willing to run, fastest first. Each is imported when it is asked for. */
export async function backendRegistry(): Promise<BackendRegistry> {
  const { createBackendRegistry } = await import('@gateskip/backend');
  const registry = createBackendRegistry();
  registry.register('cpu', async () => (await import('@gateskip/backend-cpu')).cpuBackend);
  registry.register('reference', async () => (await import('@gateskip/backend-reference')).referenceBackend);
  return registry;
}
