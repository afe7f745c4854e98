// What the real OrbitDB makes of an exported log: node join.mjs FILE.car. Prints one JSON object.
import { CarReader } from '@ipld/car'
import * as dagCbor from '@ipld/dag-cbor'
import { Identities, KeyStore, Log, MemoryStorage } from '@orbitdb/core'
import { readFileSync } from 'fs'
import { base58btc } from 'multiformats/bases/base58'

const file = await CarReader.fromBytes(readFileSync(process.argv[2]))
const keystore = await KeyStore({ storage: await MemoryStorage() })
const known = await MemoryStorage()
const identities = await Identities({ keystore, storage: known })
const reader = await identities.createIdentity({ id: 'reader' })

const entryStorage = await MemoryStorage()
const names = { entries: 0, identities: 0 }
let logId
for await (const { cid, bytes } of file.blocks()) {
  const value = dagCbor.decode(bytes)
  const name = cid.toString(base58btc)
  if (value.type === 'publickey') {
    await known.put(name, bytes)
    names.identities++
    if (!await identities.verifyIdentity(await identities.getIdentity(name))) throw new Error('an identity')
  } else {
    await entryStorage.put(name, bytes)
    names.entries++
    logId = value.id
  }
}
// Who joins asks for a log with the same id, and verifies each entry that is new to it.
const canAppend = async (entry) => (await identities.getIdentity(entry.identity))?.publicKey === entry.key
const log = await Log(reader, { logId, entryStorage, access: { canAppend } })
const roots = (await file.getRoots()).map((cid) => cid.toString(base58btc))
for (const root of roots) await log.joinEntry(await log.get(root))

const order = []
let branches = 0
for (const entry of await log.values()) {
  order.push(entry.payload.cid)
  if (entry.next.length > 1) branches++
}
const heads = (await log.heads()).map((entry) => entry.payload.cid).sort()
// It goes on: somebody writes behind it.
const next = await log.append('and on')
const after = (await log.get(next.hash)).next.length
console.log(JSON.stringify({ ...names, order, heads, branches, after }))
process.exit(0)
