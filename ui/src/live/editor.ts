// The editor of documents: CodeMirror bound to a Yjs text, carried by a stock y-websocket client.

import { defaultKeymap } from '@codemirror/commands'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { drawSelection, EditorView, keymap, placeholder } from '@codemirror/view'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { cursors, TONES } from './cursors.ts'

export interface Wanted {
  room: string
  name: string
  me: string
  /** A ticket opens the document once; each connection takes a new one. */
  ticket: () => Promise<string>
  onState: (state: 'opening' | 'open' | 'lost' | 'ended', reason?: unknown) => void
  onOthers: (others: { name: string; tone: number }[]) => void
}

export interface Editing {
  close(): void
}

const FIELD = 'codemirror'
const RETRY_MS = 1500
const NOT_PERMITTED = 4403
const BAD = 4400
const NAME_MAX = 64

export function openEditor(place: HTMLElement, wanted: Wanted): Editing {
  const doc = new Y.Doc()
  const text = doc.getText(FIELD)
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
  const address = `${scheme}://${location.host}/api/v1/rooms/${encodeURIComponent(wanted.room)}/documents`
  const provider = new WebsocketProvider(address, encodeURIComponent(wanted.name), doc, {
    connect: false,
    disableBc: true, // nothing of a document passes beside the node
    resyncInterval: -1,
  })
  const { awareness } = provider
  awareness.setLocalStateField('user', { name: wanted.me.slice(0, NAME_MAX), tone: doc.clientID % TONES })

  const root = place.shadowRoot ?? place.attachShadow({ mode: 'open' })
  const frozen = new Compartment()
  const view = new EditorView({ root, parent: root, state: EditorState.create({ extensions: extensions() }) })
  let closed = false
  let timer: ReturnType<typeof setTimeout> | undefined

  function extensions(): Extension[] {
    const undo = new Y.UndoManager(text)
    return [
      keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
      drawSelection(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': `Document ${wanted.name}`, spellcheck: 'true' }),
      placeholder('Nothing is written here yet.'),
      frozen.of(EditorState.readOnly.of(true)),
      yCollab(text, null, { undoManager: undo }),
      cursors(text, awareness),
      look,
    ]
  }

  async function connect(): Promise<void> {
    try {
      provider.params['ticket'] = await wanted.ticket()
      if (!closed) provider.connect()
    } catch (error) {
      wanted.onState('lost', error)
      again()
    }
  }

  function again(): void {
    if (closed) return
    clearTimeout(timer)
    timer = setTimeout(() => void connect(), RETRY_MS)
  }

  provider.on('sync', (synced: boolean) => {
    if (!synced || closed) return
    view.dispatch({ effects: frozen.reconfigure(EditorState.readOnly.of(false)) })
    wanted.onState('open')
  })
  // The client would open the address again by itself, with a ticket that is used up: it is told to wait for a new one.
  provider.on('connection-close', (event) => {
    provider.shouldConnect = false
    if (closed) return
    if (event && (event.code === NOT_PERMITTED || event.code === BAD)) {
      view.dispatch({ effects: frozen.reconfigure(EditorState.readOnly.of(true)) })
      wanted.onState('ended', event.reason.replaceAll('_', ' '))
      if (event.reason !== 'session_ended') return
    } else {
      wanted.onState('lost')
    }
    again()
  })
  awareness.on('change', () => {
    const seen = [...awareness.getStates()].filter(([client]) => client !== awareness.clientID)
    wanted.onOthers(seen.slice(0, 32).map(([client, state]) => ({ name: nameIn(state), tone: client % TONES })))
  })
  void connect()
  return {
    close() {
      closed = true
      clearTimeout(timer)
      provider.destroy()
      view.destroy()
      doc.destroy()
    },
  }
}

/** What others say of themselves here is not signed: it is a hint, and shown as text. */
export function nameIn(state: { [key: string]: unknown }): string {
  const user = state['user']
  const name = typeof user === 'object' && user !== null && 'name' in user ? user.name : ''
  return typeof name === 'string' && name ? name.slice(0, NAME_MAX) : 'somebody'
}

const look = EditorView.theme({
  '&': { minHeight: '22rem', fontSize: '1rem', color: 'var(--ink)' },
  '&.cm-focused': { outline: '3px solid var(--accent)', outlineOffset: '-3px' },
  '.cm-scroller': { fontFamily: 'inherit', lineHeight: '1.6' },
  '.cm-content': { padding: '0.8rem 1rem', caretColor: 'var(--ink)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { background: 'var(--accent-ground) !important' },
  '.cm-placeholder': { color: 'var(--soft)' },
  '.other-caret': { position: 'relative', borderLeft: '2px solid currentColor', marginLeft: '-1px', marginRight: '-1px' },
  '.other-name': {
    position: 'absolute',
    top: '-1.15em',
    left: '-2px',
    padding: '0 0.3rem',
    fontSize: '0.72rem',
    lineHeight: '1.35',
    whiteSpace: 'nowrap',
    maxWidth: '10rem',
    overflow: 'hidden',
    textOverflow: 'ellipsis',
    borderRadius: '4px 4px 4px 0',
    background: 'currentColor',
    unicodeBidi: 'isolate',
  },
  '.other-name > span': { color: '#fff' },
  '.tone-0': { color: '#c2410c' },
  '.tone-1': { color: '#7c3aed' },
  '.tone-2': { color: '#0369a1' },
  '.tone-3': { color: '#be185d' },
  '.tone-4': { color: '#4d7c0f' },
  '.tone-5': { color: '#a16207' },
  '.other-text': { background: 'color-mix(in srgb, currentColor 18%, transparent)' },
})
