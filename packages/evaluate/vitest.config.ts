export { default } from '../../tools/test/vitest.config.ts';
