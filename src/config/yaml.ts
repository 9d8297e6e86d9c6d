/**
 * The npm package yaml, wanted only where a file is read. A bundle gives a package in CommonJS that is imported when it
 * is wanted as `default` alone, and a module of ours with all its names.
 */
export { type Document, parseDocument, visit } from 'yaml';
