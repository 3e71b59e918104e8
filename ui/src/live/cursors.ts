// Others' carets and selections in the editor. y-codemirror.next draws them with style attributes, which the page's
// policy forbids; these are classes.

import { Annotation, RangeSetBuilder, type Extension } from '@codemirror/state'
import { Decoration, ViewPlugin, WidgetType, type DecorationSet, type EditorView, type ViewUpdate } from '@codemirror/view'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { inertName } from '../parts/text.ts'
import { nameIn } from './editor.ts'

export const TONES = 6
const OTHERS_MAX = 32
const moved = Annotation.define<true>()

class Caret extends WidgetType {
  readonly name: string
  readonly tone: number
  constructor(name: string, tone: number) {
    super()
    this.name = name
    this.tone = tone
  }

  override eq(other: Caret): boolean {
    return other.name === this.name && other.tone === this.tone
  }

  toDOM(): HTMLElement {
    const caret = document.createElement('span')
    caret.className = `other-caret tone-${this.tone}`
    const label = caret.appendChild(document.createElement('span'))
    label.className = 'other-name'
    label.appendChild(document.createElement('span')).textContent = inertName(this.name)
    return caret
  }

  override ignoreEvent(): boolean {
    return true
  }
}

export function cursors(text: Y.Text, awareness: Awareness): Extension {
  return ViewPlugin.define((view) => new Cursors(view, text, awareness), { decorations: (held) => held.decorations })
}

class Cursors {
  decorations: DecorationSet = Decoration.none
  private readonly text: Y.Text
  private readonly awareness: Awareness
  private readonly heard: () => void

  constructor(view: EditorView, text: Y.Text, awareness: Awareness) {
    this.text = text
    this.awareness = awareness
    this.heard = () => queueMicrotask(() => view.dispatch({ annotations: [moved.of(true)] }))
    awareness.on('change', this.heard)
  }

  destroy(): void {
    this.awareness.off('change', this.heard)
  }

  update(update: ViewUpdate): void {
    if (update.selectionSet || update.focusChanged || update.docChanged) this.tell(update.view)
    const isHeard = update.transactions.some((transaction) => transaction.annotation(moved))
    if (isHeard || update.docChanged) this.decorations = this.drawn(update.view)
  }

  /** Say where our own caret is. */
  private tell(view: EditorView): void {
    const { anchor, head } = view.state.selection.main
    const at = (index: number) => Y.createRelativePositionFromTypeIndex(this.text, Math.min(index, this.text.length))
    const cursor = view.hasFocus ? { anchor: at(anchor), head: at(head) } : null
    const told = this.awareness.getLocalState()?.['cursor'] ?? null
    if (JSON.stringify(told) !== JSON.stringify(cursor)) {
      queueMicrotask(() => this.awareness.setLocalStateField('cursor', cursor))
    }
  }

  private drawn(view: EditorView): DecorationSet {
    const parts: { from: number; to: number; decoration: Decoration }[] = []
    const length = view.state.doc.length
    for (const [client, state] of [...this.awareness.getStates()].slice(0, OTHERS_MAX)) {
      if (client === this.awareness.clientID) continue
      const anchor = this.index(state['cursor']?.anchor, length)
      const head = this.index(state['cursor']?.head, length)
      if (anchor === undefined || head === undefined) continue
      const tone = client % TONES
      const [from, to] = anchor < head ? [anchor, head] : [head, anchor]
      if (from < to) parts.push({ from, to, decoration: Decoration.mark({ class: `other-text tone-${tone}` }) })
      const widget = new Caret(nameIn(state), tone)
      parts.push({ from: head, to: head, decoration: Decoration.widget({ widget, side: head > anchor ? -1 : 1 }) })
    }
    const builder = new RangeSetBuilder<Decoration>()
    parts.sort((one, other) => one.from - other.from || one.decoration.startSide - other.decoration.startSide)
    for (const { from, to, decoration } of parts) builder.add(from, to, decoration)
    return builder.finish()
  }

  /** Where another's caret is now; what they sent may be anything. */
  private index(position: unknown, length: number): number | undefined {
    try {
      const found = Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(position), this.text.doc!)
      return found && found.type === this.text ? Math.min(found.index, length) : undefined
    } catch {
      return undefined
    }
  }
}
