// What OrbitDB's log takes on Level: node log.mjs FOLDER SIZE. Prints one JSON object.
import { Identities, KeyStore, LevelStorage, Log, MemoryStorage } from '@orbitdb/core'
import { randomBytes } from 'crypto'
import { readdirSync, statSync } from 'fs'
import { join } from 'path'

const folder = process.argv[2]
const size = Number(process.argv[3])
const keystore = await KeyStore({ storage: await MemoryStorage() })
const identities = await Identities({ keystore })
const ann = await identities.createIdentity({ id: 'ann' })
const bob = await identities.createIdentity({ id: 'bob' })

const now = () => process.hrtime.bigint()
const seconds = (from) => Number(process.hrtime.bigint() - from) / 1e9
const text = (number) => randomBytes(44).toString('base64').slice(0, 50) + String(number).padStart(8, '0')

async function open (name, identity) {
  const at = (part) => LevelStorage({ path: join(folder, name, part), valueEncoding: 'view' })
  const kept = { entryStorage: await at('entries'), headsStorage: await at('heads'), indexStorage: await at('index') }
  return { log: await Log(identity, { logId: 'a conversation', ...kept }), entries: kept.entryStorage }
}

async function write (log, count) {
  for (let number = 0; number < count; number++) await log.append(text(number))
}

async function all (log, amount = -1) {
  const found = []
  for await (const entry of log.iterator({ amount })) found.push(entry)
  return found
}

function bytesIn (path) {
  const files = readdirSync(path, { recursive: true }).map((name) => statSync(join(path, name)))
  return files.reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0)
}

const found = {}
const written = await open('written', ann)
let from = now()
await write(written.log, size)
found.append_per_s = size / seconds(from)
await written.log.close()

from = now()
const opened = await open('written', ann)
if ((await all(opened.log, 50)).length !== 50) throw new Error('not the last 50')
found.open_ms = seconds(from) * 1000
from = now()
if ((await all(opened.log)).length !== size) throw new Error('not all of it')
found.read_s = seconds(from)
await opened.log.close()
found.bytes = bytesIn(join(folder, 'written'))

const left = await open('left', ann)
const right = await open('right', bob)
await write(left.log, size / 2)
await write(right.log, size / 2)
const theirs = await all(right.log)
from = now()
// The blocks come first, as they would over a network.
for (const entry of theirs) await left.entries.put(entry.hash, await right.entries.get(entry.hash))
await left.log.join(right.log)
found.merge_s = seconds(from)
if ((await all(left.log)).length !== size) throw new Error('not merged')
console.log(JSON.stringify(found))
process.exit(0)
