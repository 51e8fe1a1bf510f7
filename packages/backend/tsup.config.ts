import { defineConfig } from 'tsup';
import shared from '../../tools/build/tsup.config.ts';

export default defineConfig({ ...shared, entry: { index: 'src/index.ts', 'conformance/index': 'src/conformance/index.ts' } });
