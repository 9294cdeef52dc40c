// What both suites need.
import { randomBytes } from 'node:crypto'

export const bootstrap = process.env.OTTLA_COMPAT_BOOTSTRAP
export const unique = prefix => `${prefix}-${randomBytes(5).toString('hex')}`
export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
export const numbered = (from, to) => Array.from({ length: to - from }, (_, i) => `v${from + i}`)

/** Waits until ok() gives something true. */
export async function eventually (ok, what = 'condition', ms = 120_000) {
  for (const end = Date.now() + ms; ;) {
    const value = await ok()
    if (value) return value
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`)
    await sleep(50)
  }
}
