// One JSON line per test: {"name", "outcome": pass|fail|skip, "text"}.
export default async function * reporter (source) {
  for await (const { type, data } of source) {
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite') continue
    const outcome = data.skip !== undefined && data.skip !== false ? 'skip' : type === 'test:pass' ? 'pass' : 'fail'
    const error = data.details?.error?.cause ?? data.details?.error
    const causes = Array.isArray(error?.errors) ? ' ' + error.errors.map(e => e.message).join('; ') : ''
    const text = outcome === 'skip' ? String(data.skip) : outcome === 'fail' ? String(error?.stack ?? error) + causes : ''
    yield JSON.stringify({ name: data.name, outcome, text: text.slice(0, 900) }) + '\n'
  }
}
