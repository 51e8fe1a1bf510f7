import { createBackendRegistry } from '@gateskip/backend';

const registry = createBackendRegistry();
registry.register('cpu', async () => (await import('@gateskip/backend-cpu')).cpuBackend);
registry.register('reference', async () => (await import('@gateskip/backend-reference')).referenceBackend);
for (const name of registry.names) {
  const reasons = await registry.explain(name);
  console.log(name, reasons.length === 0 ? 'can be used here' : reasons.join(' '));
}
