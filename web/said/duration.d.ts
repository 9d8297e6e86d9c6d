// The browser gets what the command line is compiled to from this path, so that both say the same.
export * from '../../src/cli/duration.js';
