// Made by `python -m foedus.surfaces.http.typescript` from the OpenAPI document of /schema. Do not edit.

export type AcceptInput = { tier?: "CORE" | "EXTERNAL" | "SANDBOX" | "UNKNOWN" | null; };

export type ActInput = { act: string; asig: string; salt: string; body: string; };

export type AdditionView = { value: unknown; epoch: string; number: number; };

export type AgreementView = { peer: string; peer_name: string; in_force: VersionView; clauses: Array<ClauseView>; proposals: Array<VersionView>; waits_for_us: Array<string>; signers: Array<string>; };

export type AllowInput = { act: string; asig: string; salt: string; body: string; did: string; };

export type AnswersView = { query: string; results: Array<MergedView>; nodes: Array<NodeReport>; dropped: Record<string, number>; took_us: number; };

export type ApprovalView = { id: string; state: "allowed" | "denied" | "done" | "expired" | "failed" | "waiting"; agent: LinkView; command: string; what: string; arguments: Record<string, string>; room: string; room_name: string; host_name: string; kind: string; text: string | null; body: string; salt: string; digest: string; clause: string; needed: number; humans: Array<string>; grants: Array<string>; asked_at: number; until: number; event: string; reason: string; host_known_as: string; host_looks_like: Array<string>; hosts: Array<string>; host_names: Array<string>; hosts_known_as: Array<string>; council_name: string; };

export type AskInput = { room: string; as: string; text?: string; delta?: string; };

export type AuditPage = { rows: Array<AuditRowView>; cursor: string; };

export type AuditRowView = { n: number; at: number; until: number; actor: string; act: string; subject: string; rule: string; outcome: string; times: number; first: number; last: number; digest: string; aggregated: boolean; hash: string; cursor: string; why: string; };

export type BeliefInput = { issuer: string; type: string; };

export type BeliefView = { issuer: string; issuer_known_as: string; type: string; };

export type CallInput = { name?: string; offer?: string; node?: string; input?: unknown; wait_ms?: number; as?: string; call?: string; asig?: string; };

export type CallView = { call: string; node: string; node_name: string; name: string; offer: string; caller: string; at: number; deadline: number; state: string; outcome: string; code: string; message: string; agent: string; began: number; ended: number; output: unknown; receipt: string; receipt_sig: string; countersig: string; };

export type CallerView = { did: string; name: string; kind: "agent" | "human" | "operator"; device: string; bound: boolean; architect: boolean; };

export type CapabilityInput = { name: string; agent?: string; about?: string; takes?: unknown; returns?: unknown; model?: string; provider?: string; price?: string; standing?: number; };

export type CapabilityView = { name: string; node: string; node_name: string; offer: string; agent: string; agent_name: string; about: string; takes: unknown; returns: unknown; model: string; provider: string; price: string; standing: number; };

export type ChallengeView = { challenge: string; domain: string; expires: number; };

export type ChangeView = { clause: string; about: string; before: string; after: string; };

export type ClaimForm = { kind: "task.claim"; task: string; as?: string; };

export type ClaimInput = { step: "claim"; code: string; device: string; name: string; };

export type ClauseView = { clause: string; about: string; words: string; };

export type CouncilDecisionView = { sequence: number; position: number; outcome: string; value: string | null; };

export type CouncilEntryView = { sequence: number; position: number; id: string; author: string; key: string | null; value: string | null; is_read: boolean; outcome: string; };

export type CouncilGovernInput = { room?: string; peer?: string; release?: boolean; };

export type CouncilInput = { name: string; peers: Array<string>; seal?: boolean; };

export type CouncilMemberInput = { peer: string; };

export type CouncilMemberView = { node: string; name: string; is_local: boolean; has_joined: boolean; is_connected: boolean; leads: boolean; is_exposed: boolean; is_silent: boolean; made: number | null; known_as: string; looks_like: Array<string>; };

export type CouncilMotionView = { id: string; op: string; host: string; subject: string; kind: string; node: string; participant: string; role: number | null; agreement: string; approved_by: Array<string>; };

export type CouncilProofInput = { proof: string; council?: string; seals_only?: boolean; };

export type CouncilProofView = { proof: string; };

export type CouncilProvedView = { council: string; name: string; epoch: number; view: number | null; sequence: number; update: string; author: string; key: string | null; value: string | null; is_read: boolean; signers: Array<string>; members: Array<string>; sealed_by: Array<string>; };

export type CouncilSignedInput = { updates: Array<string>; };

export type CouncilStatusView = { id: string; name: string; state: string; view: number | null; leader: string | null; made: number | null; lag: number | null; silent: Array<string>; };

export type CouncilUpdateInput = { key: string; value: string | null; if_value?: Array<string | null> | null; as?: string; };

export type CouncilView = { id: string; name: string; state: "asked" | "down" | "fetching" | "key_changed" | "removed" | "running" | "waiting"; members: Array<CouncilMemberView>; quorum: number; faults: number; view: number | null; made: number | null; lag: number | null; waiting: number | null; sealed: number | null; epoch: number; adds: Array<string>; wishes: Array<CouncilWishView>; removes: Array<string>; };

export type CouncilWishView = { node: string; adds: Array<string>; removes: Array<string>; };

export type CrdtInput = { type?: string; as?: string; value?: unknown; set?: Record<string, unknown>; add?: Array<unknown>; remove?: Array<unknown>; by?: number | null; transfers?: Array<TransferAsk>; act?: string; asig?: string; salt?: string; body?: string; };

export type CrdtView = { room: string; name: string; type: string; entries: number; writers: Array<string>; holes: number; value: unknown; digest: string; additions: Array<AdditionView>; };

export type CredentialView = { id: string; types: Array<string>; issuer: string; issuer_known_as: string; subject: string; subject_known_as: string; claims: Record<string, unknown>; valid_from: number | null; valid_until: number | null; key: string; role: "held" | "issued"; revoked: boolean | null; document: string; };

export type DataForm = { media_type: string; data: string; };

export type DataView = { media_type: string; data: string; };

export type DenyInput = { did?: string; reason?: string; };

export type DeviceView = { key: string; name: string; enrolment: string; revoked: boolean; };

export type DirectInput = { participant: string; as: string; };

export type DocumentView = { document: string; };

export type DoneForm = { kind: "task.done"; task: string; outcome?: "cancelled" | "done" | "given_up"; result?: string; packets?: Array<string>; as?: string; };

export type DraftView = { document: string; id: string; changes: Array<ChangeView>; signers: Array<string>; };

export type EnvelopeView = { event: string; node: string; envelope: string; };

export type EraseInput = { reason?: "author" | "moderator" | "retention"; act?: string; asig?: string; salt?: string; body?: string; };

export type ErasedView = { event: string; by: string; by_name: string; node: string; at: number; reason: "author" | "moderator" | "retention"; };

export type EventView = { id: string; stream: string; epoch: string; node: string; seq: number; prev: string | null; hlc: Array<number>; kind: string; author: string; at: number; verdict: "accepted" | "pending" | "rejected"; reason: string; withheld: string; body: Record<string, unknown> | null; message: MessageView | null; cursor: string; erased: ErasedView | null; };

export type EventsPage = { events: Array<EventView>; cursor: string; };

export type EvidenceView = { row: number; kind: string; at: number; times: number; points: number; };

export type ExplainView = { who: string; name: string; node: string; node_name: string; is_local: boolean; act: string; room: string; event: string; allowed: boolean; layer: string; code: string; layers: Array<LayerView>; why: string; };

export type FoundView = { query: string; node: string; node_name: string; node_known_as: string; epoch: string; rank: number; content: string; kind: string; score: number; hlc: Array<number>; body: Record<string, unknown>; signed: string; sig: string; via: string; via_name: string; via_known_as: string; };

export type GrantView = { id: string; cid: string; node: string; issuer: LinkView; audience: LinkView; command: string; policy: Array<unknown>; rooms: Array<string>; hosts: Array<string>; one_act: boolean; uses_per_hour: number; after_foreign: boolean; not_before: number | null; expires: number | null; state: "expired" | "in_force" | "not_yet" | "revoked"; last_used: number | null; domains: Array<string>; capabilities: Array<string>; room_names: Array<string>; host_names: Array<string>; hosts_known_as: Array<string>; councils: Array<string>; council_names: Array<string>; };

export type HistoryView = { packet: string; told: Array<ToldView>; ground: Array<string>; missing: Array<string>; is_whole: boolean; };

export type HoldInput = { document: string; };

export type IdentityView = { node: string; epoch: string; epoch_number: number; did: string; name: string; version: string; ed25519: string; endpoints: Array<string>; };

export type IssueInput = { type: string; subject: string; claims?: string; valid_until?: number | null; };

export type KeptFrom = { node: string; name: string; clause: string; };

export type KeyInput = { key: string; };

export type KnowledgePlaced = { id: string; stream: string; seq: number; hlc: Array<number>; kept_from: Array<KeptFrom>; approval: string; };

export type LayerView = { layer: "agreement" | "grant" | "room"; verdict: "allows" | "refuses" | "waits"; clause: string; presets: Record<string, string>; words: string; };

export type LinkView = { did: string; participant: string; name: string; kind: string; known_as: string; };

export type MemberView = { id: string; node: string; node_name: string; participant: string; participant_name: string; node_known_as: string; participant_known_as: string; role: number; role_name: string; };

export type MergedView = { content: string; kind: string; fused: number; score: number; hlc: Array<number>; body: Record<string, unknown>; sources: Array<FoundView>; };

export type MessageInput = { text?: string; as?: string; act?: string; asig?: string; salt?: string; body?: string; };

export type MessageView = { id: string; room: string; stream: string; seq: number; hlc: Array<number>; at: number; text: string | null; author: string; author_name: string; author_kind: "agent" | "human" | "node" | "unknown"; node: string; node_name: string; verified: boolean; why_not: string; refs: Array<string>; cursor: string; author_known_as: string; node_known_as: string; author_looks_like: Array<string>; erased: ErasedView | null; };

export type MessagesPage = { messages: Array<MessageView>; cursor: string; };

export type NameInput = { id: string; name: string; };

export type NameView = { id: string; name: string; };

export type NamedInput = { agreement?: string; };

export type NearbyView = { interface: string; announced: boolean; nodes: Array<NodeNearby>; };

export type NodeNearby = { node: string; name: string; urls: Array<string>; state: string; known_as: string; looks_like: Array<string>; };

export type NodeReport = { node: string; node_name: string; node_known_as: string; outcome: string; code: string; results: number; };

export type OfferForm = { kind: "task.offer"; domain: string; title: string; content?: string; tags?: Array<string>; dependencies?: Array<string>; lease?: number; as?: string; };

export type PacketView = { id: string; domain: string; state: "current" | "erased" | "retracted"; who: WhoView; at: number; type: string; title: string; content: string; data: DataView | null; confidence: number; tags: Array<string>; dependencies: Array<string>; missing: Array<string>; revision: number; event: string; reason: string; source: SourceView | null; score: number | null; };

export type PacketsPage = { packets: Array<PacketView>; cursor: string; };

export type PairCodeInput = { participant?: string; kind?: "agent" | "human"; architect?: boolean; };

export type PairCodeView = { code: string; url: string; link: string; kind: "agent" | "human"; did: string; expires: number; };

export type PairStep = { state: "paired" | "prove" | "waiting"; pairing: string; kind: "agent" | "human"; did: string; node: string; epoch: string; now: number; challenge: string; fingerprint: string; expires: number; token: string; };

export type PairingView = { pairing: string; did: string; name: string; kind: "agent" | "human"; device: string; device_name: string; fingerprint: string; possession: string; expires: number; };

export type ParticipantInput = { name: string; kind?: "agent"; custodial?: true; };

export type ParticipantView = { did: string; name: string; kind: "agent" | "human"; custody: "device" | "node"; node: string; node_name: string; is_local: boolean; devices: Array<DeviceView>; known_as: string; node_known_as: string; looks_like: Array<string>; };

export type PasskeyInput = { name: string; salt: string; response: string; };

export type PasskeyView = { passkey: string; credential: string; did: string; name: string; origin: string; added: number; used: number; };

export type PasskeysView = { required: boolean; passkeys: Array<PasskeyView>; };

export type PeerInput = { peer: string; };

export type PeerView = { node: string; name: string; name_clash: Array<string>; state: "accepting" | "answered" | "connected" | "declined" | "disconnected" | "ignored" | "incoming" | "known" | "requested" | "turned_down"; tier: "CORE" | "EXTERNAL" | "SANDBOX" | "UNKNOWN"; their_tier: "CORE" | "EXTERNAL" | "SANDBOX" | "UNKNOWN" | null; note: string; url: string; endpoints: Array<string>; requested_at: number | null; connected_at: number | null; last_seen: number | null; paused: boolean; link: "link" | "none" | "pull" | "sse"; link_error: string; lag: number; sent: number; received: number; refused: Record<string, number>; clock_offset_us: number | null; epoch: string; epoch_number: number; held_epoch: string | null; address: string; did: string; known_as: string; looks_like: Array<string>; reputation: number; evidence: Array<EvidenceView>; };

export type PlaceInput = { issuer: string; };

export type PlaceView = { url: string; place: number; status_list: string; };

export type Placed = { id: string; stream: string; seq: number; hlc: Array<number>; approval: string; };

export type PolicyOptionView = { section: string; option: string; value: string | number | boolean; source: string; about: string; };

export type PresentInput = { credentials: Array<string>; challenge: string; domain: string; as?: string; };

export type ProbeInput = { url: string; };

export type ProbeView = { url: string; node: string; did: string; name: string; endpoints: Array<string>; };

export type Problem = { code: string; message: string; remedy: string; };

export type ProgressForm = { kind: "task.progress"; task: string; note?: string; done?: number; as?: string; };

export type ProgressInput = { data: unknown; agent?: string; };

export type ProposeInput = { document: string; answers?: string; human?: WordInput | null; };

export type ProveInput = { step: "prove"; pairing: string; signature: string; possession?: string; enrolment?: ActInput | null; };

export type ProvenView = { id: string; types: Array<string>; issuer: string; issuer_known_as: string; subject: string; subject_known_as: string; claims: Record<string, unknown>; valid_from: number | null; valid_until: number | null; };

export type PruningView = { chains: number; events: number; };

export type PublishForm = { kind: "knowledge.publish"; domain: string; title: string; type?: string; content?: string; data?: DataForm | null; confidence?: number; tags?: Array<string>; dependencies?: Array<string>; as?: string; };

export type QuestionInput = { kind?: "capability" | "causal" | "semantic" | "text" | "topology"; text?: string; vector?: string; model?: string; event?: string; scope?: "direct" | "global" | "local"; hops?: number | null; results?: number; wait_ms?: number; as?: string; question?: string; asig?: string; };

export type ReasonInput = { reason?: string; };

export type RecordInput = { document: string; status_list?: string; };

export type RepublishForm = { kind: "knowledge.republish"; domain: string; source: string; as?: string; };

export type RequestInput = { url: string; expect?: string; note?: string; tier?: "CORE" | "EXTERNAL" | "SANDBOX" | "UNKNOWN"; };

export type RetentionInput = { days?: number | null; room?: string; };

export type RetractForm = { kind: "knowledge.retract"; packet: string; reason?: string; as?: string; };

export type ReviseForm = { kind: "knowledge.revise"; packet: string; title: string; type?: string; content?: string; data?: DataForm | null; confidence?: number; tags?: Array<string>; dependencies?: Array<string>; as?: string; };

export type RoleInput = { who: string; role: number; title?: string | null; };

export type RoomInput = { name: string; };

export type RoomView = { room: string; name: string; host: string; host_name: string; is_host: boolean; members: Array<MemberView>; left: boolean; host_known_as: string; };

export type RotationView = { node: string; epoch: string; epoch_number: number; cause: string; };

export type SessionAsk = { key: string; room: string; document: string; until: number; };

export type ShareInput = { peer: string; role?: number | null; };

export type ShownInput = { credential: string; statement: string; response: string; };

export type SideTerms = { directions?: Array<"council" | "knowledge" | "room">; commands?: Array<string>; rate?: number; signers?: Array<Signer>; };

export type SignInput = { agreement: string; human?: WordInput | null; };

export type SignedInput = { domain: string; acts: Array<ActInput>; };

export type Signer = { did: string; assurance?: "device-bound" | "hardware-attested" | "oauth-verified"; };

export type SigningContext = { node: string; epoch: string; now: number; };

export type SkipInput = { room: string; };

export type SourceView = { event: string; domain: string; author: string; node: string; at: number; proved: "forged" | "proved" | "unknown"; };

export type StandingView = { did: string; name: string; node: string; node_name: string; is_local: boolean; standing: number; standing_name: string; rights: Array<string>; proposed: number | null; since: number | null; breach: string; acts: number | null; missing: Array<string> | null; known_as: string; node_known_as: string; };

export type StatusListInput = { status_list: string; };

export type StatusView = { troubles: Array<Trouble>; identity: IdentityView; started_at: number; uptime_us: number; home: string; events: number; chains: number; contested_chains: number; authoring: boolean; pending_requests: number; peers: Array<PeerView>; memory_bytes: number; refused: Record<string, number>; last_local: number; store_id: string; forks: number; councils: Array<CouncilStatusView>; };

export type StepInput = { to?: number | null; };

export type TaskView = { id: string; domain: string; state: "cancelled" | "claimed" | "done" | "offered"; title: string; content: string; tags: Array<string>; dependencies: Array<string>; lease: number; who: WhoView; at: number; holder: WhoView | null; until: number; done: number; note: string; result: string; packets: Array<string>; };

export type TasksPage = { tasks: Array<TaskView>; cursor: string; };

export type Terms = { rooms?: "shared" | Array<string>; ours?: SideTerms; theirs?: SideTerms; retention_days?: number; expires?: number; humans?: "enrolled" | "named"; approvals?: Record<string, number>; };

export type TextInput = { text: string; };

export type TicketView = { ticket: string; expires: number; session: SessionAsk | null; };

export type TierInput = { tier: "CORE" | "EXTERNAL" | "SANDBOX" | "UNKNOWN"; };

export type TokenInput = { device?: string; };

export type TokenView = { did: string; name: string; device: string; bound: boolean; token: string; };

export type ToldView = { event: string; kind: string; at: number; hlc: Array<number>; who: WhoView; says: string; };

export type TransferAsk = { source: string; target: string; improvement: number; confidence: number; cycle: number; };

export type Trouble = { code: string; message: string; remedy: string; };

export type TrustInput = { key: string; tier: "CORE" | "EXTERNAL" | "SANDBOX" | "UNKNOWN"; };

export type VectorView = { model: string; dimension: number; vector: string; };

export type VerifiedView = { holder: string; holder_known_as: string; credentials: Array<ProvenView>; };

export type VerifyInput = { document: string; challenge?: string; domain?: string; status_lists?: Array<string>; };

export type VerifyReport = { ok: boolean; events: number; signatures: number; bodies: number; chains: number; checkpoints: number; records: number; problems: Array<string>; seconds: number; };

export type VersionView = { id: string; version: number; base: string | null; state: string; by: string; by_us: boolean; at: number | null; human: string; answers: string | null; expires: number | null; changes: Array<ChangeView>; document: string; };

export type WebhookInput = { url: string; agent?: string; };

export type WebhookView = { agent: string; agent_name: string; url: string; by_operator: boolean; since: number; last_at: number; last: string; };

export type WhoView = { author: string; author_name: string; author_known_as: string; author_kind: "agent" | "human" | "node" | "unknown"; node: string; node_name: string; node_known_as: string; };

export type WordInput = { did: string; device: string; signature: string; };

export type WordsInput = { words: string; };

export type WorkPage = { work: WorkView | null; };

export type WorkResultInput = { output?: unknown; code?: string; message?: string; agent?: string; };

export type WorkView = { call: string; name: string; offer: string; caller: string; caller_name: string; node: string; node_name: string; input: unknown; deadline: number; };

export interface Operations {
  "GET /api/v1/identity": { path: {  }; query: {  }; body: undefined; answer: IdentityView };
  "GET /api/v1/status": { path: {  }; query: {  }; body: undefined; answer: StatusView };
  "GET /api/v1/policy": { path: {  }; query: {  }; body: undefined; answer: Array<PolicyOptionView> };
  "GET /api/v1/signing": { path: {  }; query: {  }; body: undefined; answer: SigningContext };
  "GET /api/v1/peers": { path: {  }; query: {  }; body: undefined; answer: Array<PeerView> };
  "GET /api/v1/peers/pending": { path: {  }; query: {  }; body: undefined; answer: Array<PeerView> };
  "GET /api/v1/peers/nearby": { path: {  }; query: { wait?: number; }; body: undefined; answer: NearbyView };
  "POST /api/v1/peers/probe": { path: {  }; query: {  }; body: ProbeInput; answer: ProbeView };
  "POST /api/v1/peers/request": { path: {  }; query: {  }; body: RequestInput; answer: PeerView };
  "GET /api/v1/peers/{peer}": { path: { peer: string; }; query: {  }; body: undefined; answer: PeerView };
  "DELETE /api/v1/peers/{peer}": { path: { peer: string; }; query: { reason?: string; }; body: ReasonInput | undefined; answer: PeerView };
  "POST /api/v1/peers/{peer}/accept": { path: { peer: string; }; query: {  }; body: AcceptInput; answer: PeerView };
  "POST /api/v1/peers/{peer}/confirm": { path: { peer: string; }; query: {  }; body: undefined; answer: PeerView };
  "POST /api/v1/peers/{peer}/decline": { path: { peer: string; }; query: {  }; body: undefined; answer: PeerView };
  "POST /api/v1/peers/{peer}/ignore": { path: { peer: string; }; query: {  }; body: undefined; answer: PeerView };
  "POST /api/v1/peers/{peer}/tier": { path: { peer: string; }; query: {  }; body: TierInput; answer: PeerView };
  "POST /api/v1/peers/{peer}/pause": { path: { peer: string; }; query: {  }; body: undefined; answer: PeerView };
  "POST /api/v1/peers/{peer}/resume": { path: { peer: string; }; query: {  }; body: undefined; answer: PeerView };
  "POST /api/v1/peers/{peer}/follow": { path: { peer: string; }; query: {  }; body: undefined; answer: PeerView };
  "GET /api/v1/trust": { path: {  }; query: {  }; body: undefined; answer: Record<string, string> };
  "POST /api/v1/trust": { path: {  }; query: {  }; body: TrustInput; answer: undefined };
  "DELETE /api/v1/trust": { path: {  }; query: { key?: string; }; body: KeyInput | undefined; answer: undefined };
  "GET /api/v1/agreements": { path: {  }; query: {  }; body: undefined; answer: Array<AgreementView> };
  "GET /api/v1/agreements/{peer}": { path: { peer: string; }; query: {  }; body: undefined; answer: AgreementView };
  "GET /api/v1/agreements/{peer}/history": { path: { peer: string; }; query: {  }; body: undefined; answer: Array<VersionView> };
  "GET /api/v1/agreements/{peer}/diff": { path: { peer: string; }; query: { older?: string; newer?: string; }; body: undefined; answer: Array<ChangeView> };
  "POST /api/v1/agreements/{peer}/draft": { path: { peer: string; }; query: {  }; body: Terms; answer: DraftView };
  "POST /api/v1/agreements/{peer}/propose": { path: { peer: string; }; query: {  }; body: ProposeInput; answer: AgreementView };
  "POST /api/v1/agreements/{peer}/sign": { path: { peer: string; }; query: {  }; body: SignInput; answer: AgreementView };
  "POST /api/v1/agreements/{peer}/decline": { path: { peer: string; }; query: {  }; body: NamedInput; answer: AgreementView };
  "POST /api/v1/agreements/{peer}/withdraw": { path: { peer: string; }; query: {  }; body: NamedInput; answer: AgreementView };
  "POST /api/v1/agreements/{peer}/terminate": { path: { peer: string; }; query: {  }; body: ReasonInput; answer: AgreementView };
  "GET /api/v1/participants": { path: {  }; query: { q?: string; }; body: undefined; answer: Array<ParticipantView> };
  "POST /api/v1/participants": { path: {  }; query: {  }; body: ParticipantInput; answer: ParticipantView };
  "POST /api/v1/participants/{did}/acts": { path: { did: string; }; query: {  }; body: ActInput; answer: Placed };
  "GET /api/v1/participants/{did}/devices/{key}/cuts": { path: { did: string; key: string; }; query: {  }; body: undefined; answer: Array<Array<unknown>> };
  "GET /api/v1/rooms": { path: {  }; query: {  }; body: undefined; answer: Array<RoomView> };
  "POST /api/v1/rooms": { path: {  }; query: {  }; body: RoomInput; answer: RoomView };
  "POST /api/v1/rooms/direct": { path: {  }; query: {  }; body: DirectInput; answer: RoomView };
  "GET /api/v1/rooms/{room}": { path: { room: string; }; query: {  }; body: undefined; answer: RoomView };
  "POST /api/v1/rooms/{room}/share": { path: { room: string; }; query: {  }; body: ShareInput; answer: RoomView };
  "POST /api/v1/rooms/{room}/role": { path: { room: string; }; query: {  }; body: RoleInput; answer: RoomView };
  "POST /api/v1/rooms/{room}/unshare": { path: { room: string; }; query: {  }; body: PeerInput; answer: RoomView };
  "POST /api/v1/rooms/{room}/leave": { path: { room: string; }; query: {  }; body: undefined; answer: RoomView };
  "POST /api/v1/rooms/{room}/messages": { path: { room: string; }; query: {  }; body: MessageInput; answer: Placed };
  "GET /api/v1/rooms/{room}/messages": { path: { room: string; }; query: { after?: string; limit?: number; before?: string; }; body: undefined; answer: MessagesPage };
  "POST /api/v1/rooms/{room}/messages:batch": { path: { room: string; }; query: {  }; body: Array<MessageInput>; answer: Array<Placed> };
  "GET /api/v1/rooms/{room}/crdts": { path: { room: string; }; query: {  }; body: undefined; answer: Array<CrdtView> };
  "GET /api/v1/rooms/{room}/crdts/{name}": { path: { room: string; name: string; }; query: { type?: string; entry?: string; additions?: number; }; body: undefined; answer: CrdtView };
  "POST /api/v1/rooms/{room}/crdts/{name}": { path: { room: string; name: string; }; query: {  }; body: CrdtInput; answer: Placed };
  "POST /api/v1/rooms/{room}/documents/{name}/ticket": { path: { room: string; name: string; }; query: { as?: string; }; body: undefined; answer: TicketView };
  "GET /api/v1/grants": { path: {  }; query: {  }; body: undefined; answer: Array<GrantView> };
  "GET /api/v1/grants/{grant}": { path: { grant: string; }; query: {  }; body: undefined; answer: GrantView };
  "GET /api/v1/grants/{grant}/cuts": { path: { grant: string; }; query: {  }; body: undefined; answer: Array<Array<unknown>> };
  "GET /api/v1/approvals": { path: {  }; query: {  }; body: undefined; answer: Array<ApprovalView> };
  "POST /api/v1/approvals": { path: {  }; query: {  }; body: AskInput; answer: ApprovalView };
  "GET /api/v1/approvals/{approval}": { path: { approval: string; }; query: { wait?: number; }; body: undefined; answer: ApprovalView };
  "POST /api/v1/approvals/{approval}/allow": { path: { approval: string; }; query: {  }; body: AllowInput; answer: ApprovalView };
  "POST /api/v1/approvals/{approval}/deny": { path: { approval: string; }; query: {  }; body: DenyInput; answer: ApprovalView };
  "GET /api/v1/standings": { path: {  }; query: {  }; body: undefined; answer: Array<StandingView> };
  "GET /api/v1/standings/{who}": { path: { who: string; }; query: {  }; body: undefined; answer: StandingView };
  "POST /api/v1/standings/{who}/propose": { path: { who: string; }; query: {  }; body: StepInput | undefined; answer: StandingView };
  "POST /api/v1/standings/{who}/confirm": { path: { who: string; }; query: {  }; body: undefined; answer: StandingView };
  "GET /api/v1/explain": { path: {  }; query: { who?: string; act?: string; room?: string; }; body: undefined; answer: ExplainView };
  "GET /api/v1/events": { path: {  }; query: { after?: string; limit?: number; stream?: string; }; body: undefined; answer: EventsPage };
  "GET /api/v1/events/{event}": { path: { event: string; }; query: {  }; body: undefined; answer: EventView };
  "POST /api/v1/events/{event}/erase": { path: { event: string; }; query: {  }; body: EraseInput; answer: Placed };
  "POST /api/v1/retention/run": { path: {  }; query: {  }; body: RetentionInput; answer: PruningView };
  "POST /api/v1/retention/skip": { path: {  }; query: {  }; body: SkipInput; answer: PruningView };
  "POST /api/v1/verify": { path: {  }; query: {  }; body: undefined; answer: VerifyReport };
  "POST /api/v1/keys/rotate": { path: {  }; query: {  }; body: undefined; answer: RotationView };
  "POST /api/v1/keys/recover": { path: {  }; query: {  }; body: WordsInput; answer: RotationView };
  "GET /api/v1/metrics": { path: {  }; query: {  }; body: undefined; answer: string };
  "GET /api/v1/caller": { path: {  }; query: {  }; body: undefined; answer: CallerView };
  "GET /api/v1/pairings": { path: {  }; query: {  }; body: undefined; answer: Array<PairingView> };
  "DELETE /api/v1/pairings/{pairing}": { path: { pairing: string; }; query: {  }; body: undefined; answer: undefined };
  "POST /api/v1/participants/{did}/token": { path: { did: string; }; query: {  }; body: TokenInput | undefined; answer: TokenView };
  "DELETE /api/v1/participants/{did}/token": { path: { did: string; }; query: { device?: string; }; body: undefined; answer: undefined };
  "POST /api/pair/generate": { path: {  }; query: {  }; body: PairCodeInput | undefined; answer: PairCodeView };
  "POST /api/pair": { path: {  }; query: {  }; body: ClaimInput | ProveInput; answer: PairStep };
  "GET /api/v1/passkeys": { path: {  }; query: {  }; body: undefined; answer: PasskeysView };
  "POST /api/v1/passkeys": { path: {  }; query: {  }; body: PasskeyInput; answer: PasskeyView };
  "POST /api/v1/passkeys/show": { path: {  }; query: {  }; body: ShownInput; answer: undefined };
  "DELETE /api/v1/passkeys/{passkey}": { path: { passkey: string; }; query: {  }; body: undefined; answer: undefined };
  "GET /api/v1/names": { path: {  }; query: {  }; body: undefined; answer: Array<NameView> };
  "POST /api/v1/names": { path: {  }; query: {  }; body: NameInput; answer: NameView };
  "DELETE /api/v1/names/{id}": { path: { id: string; }; query: {  }; body: undefined; answer: undefined };
  "GET /api/v1/credentials/issuers": { path: {  }; query: {  }; body: undefined; answer: Array<BeliefView> };
  "POST /api/v1/credentials/issuers": { path: {  }; query: {  }; body: BeliefInput; answer: BeliefView };
  "DELETE /api/v1/credentials/issuers/{issuer}/{type}": { path: { issuer: string; type: string; }; query: {  }; body: undefined; answer: undefined };
  "POST /api/v1/credentials/issue": { path: {  }; query: {  }; body: IssueInput; answer: CredentialView };
  "POST /api/v1/credentials/place": { path: {  }; query: {  }; body: PlaceInput; answer: PlaceView };
  "POST /api/v1/credentials/issued": { path: {  }; query: {  }; body: RecordInput; answer: CredentialView };
  "GET /api/v1/credentials/{credential}/status": { path: { credential: string; }; query: {  }; body: undefined; answer: PlaceView };
  "POST /api/v1/credentials/status": { path: {  }; query: {  }; body: StatusListInput; answer: undefined };
  "POST /api/v1/credentials/{credential}/revoke": { path: { credential: string; }; query: {  }; body: undefined; answer: CredentialView };
  "GET /api/v1/credentials": { path: {  }; query: {  }; body: undefined; answer: Array<CredentialView> };
  "POST /api/v1/credentials": { path: {  }; query: {  }; body: HoldInput; answer: CredentialView };
  "GET /api/v1/credentials/{credential}": { path: { credential: string; }; query: {  }; body: undefined; answer: CredentialView };
  "DELETE /api/v1/credentials/{credential}": { path: { credential: string; }; query: {  }; body: undefined; answer: undefined };
  "POST /api/v1/credentials/challenge": { path: {  }; query: {  }; body: undefined; answer: ChallengeView };
  "POST /api/v1/credentials/present": { path: {  }; query: {  }; body: PresentInput; answer: DocumentView };
  "POST /api/v1/credentials/verify": { path: {  }; query: {  }; body: VerifyInput; answer: VerifiedView };
  "GET /api/v1/audit": { path: {  }; query: { after?: string; limit?: number; newest?: number; }; body: undefined; answer: AuditPage };
  "POST /api/v1/knowledge/acts": { path: {  }; query: {  }; body: PublishForm | ReviseForm | RetractForm | RepublishForm | OfferForm | ClaimForm | ProgressForm | DoneForm; answer: KnowledgePlaced };
  "POST /api/v1/knowledge/acts:batch": { path: {  }; query: {  }; body: Array<PublishForm | ReviseForm | RetractForm | RepublishForm | OfferForm | ClaimForm | ProgressForm | DoneForm>; answer: Array<KnowledgePlaced> };
  "POST /api/v1/knowledge/acts:signed": { path: {  }; query: {  }; body: SignedInput; answer: Array<KnowledgePlaced> };
  "POST /api/v1/knowledge/approvals": { path: {  }; query: {  }; body: PublishForm | ReviseForm | RetractForm | RepublishForm | OfferForm | ClaimForm | ProgressForm | DoneForm; answer: ApprovalView };
  "GET /api/v1/knowledge/search": { path: {  }; query: { q?: string; domain?: string; limit?: number; }; body: undefined; answer: Array<PacketView> };
  "GET /api/v1/knowledge/packets": { path: {  }; query: { domain?: string; after?: string; limit?: number; }; body: undefined; answer: PacketsPage };
  "GET /api/v1/knowledge/packets/{packet}": { path: { packet: string; }; query: {  }; body: undefined; answer: PacketView };
  "GET /api/v1/knowledge/packets/{packet}/history": { path: { packet: string; }; query: {  }; body: undefined; answer: HistoryView };
  "GET /api/v1/knowledge/packets/{packet}/envelope": { path: { packet: string; }; query: {  }; body: undefined; answer: EnvelopeView };
  "GET /api/v1/tasks": { path: {  }; query: { domain?: string; state?: string; after?: string; limit?: number; }; body: undefined; answer: TasksPage };
  "GET /api/v1/tasks/{task}": { path: { task: string; }; query: {  }; body: undefined; answer: TaskView };
  "POST /api/v1/queries": { path: {  }; query: {  }; body: QuestionInput; answer: AnswersView };
  "POST /api/v1/queries/approvals": { path: {  }; query: {  }; body: QuestionInput; answer: ApprovalView };
  "POST /api/v1/queries/vector": { path: {  }; query: {  }; body: TextInput; answer: VectorView };
  "GET /api/v1/capabilities": { path: {  }; query: {  }; body: undefined; answer: Array<CapabilityView> };
  "POST /api/v1/capabilities": { path: {  }; query: {  }; body: CapabilityInput; answer: CapabilityView };
  "DELETE /api/v1/capabilities/{name}": { path: { name: string; }; query: {  }; body: undefined; answer: undefined };
  "POST /api/v1/calls": { path: {  }; query: {  }; body: CallInput; answer: CallView };
  "GET /api/v1/calls": { path: {  }; query: { before?: string; limit?: number; }; body: undefined; answer: Array<CallView> };
  "POST /api/v1/calls/approvals": { path: {  }; query: {  }; body: CallInput; answer: ApprovalView };
  "GET /api/v1/calls/work": { path: {  }; query: { agent?: string; wait_ms?: number; }; body: undefined; answer: WorkPage };
  "GET /api/v1/calls/{call}": { path: { call: string; }; query: { wait_ms?: number; }; body: undefined; answer: CallView };
  "POST /api/v1/calls/{call}/cancel": { path: { call: string; }; query: {  }; body: undefined; answer: CallView };
  "POST /api/v1/calls/{call}/progress": { path: { call: string; }; query: {  }; body: ProgressInput; answer: undefined };
  "POST /api/v1/calls/{call}/result": { path: { call: string; }; query: {  }; body: WorkResultInput; answer: undefined };
  "GET /api/v1/webhooks": { path: {  }; query: {  }; body: undefined; answer: Array<WebhookView> };
  "POST /api/v1/webhooks": { path: {  }; query: {  }; body: WebhookInput; answer: WebhookView };
  "DELETE /api/v1/webhooks/{did}": { path: { did: string; }; query: {  }; body: undefined; answer: undefined };
  "GET /api/v1/councils": { path: {  }; query: {  }; body: undefined; answer: Array<CouncilView> };
  "POST /api/v1/councils": { path: {  }; query: {  }; body: CouncilInput; answer: CouncilView };
  "GET /api/v1/councils/{council}": { path: { council: string; }; query: {  }; body: undefined; answer: CouncilView };
  "POST /api/v1/councils/{council}/join": { path: { council: string; }; query: {  }; body: undefined; answer: CouncilView };
  "POST /api/v1/councils/{council}/updates": { path: { council: string; }; query: {  }; body: CouncilUpdateInput; answer: CouncilDecisionView };
  "GET /api/v1/councils/{council}/updates": { path: { council: string; }; query: { after?: number; limit?: number; }; body: undefined; answer: Array<CouncilEntryView> };
  "POST /api/v1/councils/{council}/updates:signed": { path: { council: string; }; query: {  }; body: CouncilSignedInput; answer: Array<CouncilDecisionView> };
  "GET /api/v1/councils/{council}/events": { path: { council: string; }; query: { after?: string; }; body: undefined; answer: string };
  "GET /api/v1/councils/{council}/values": { path: { council: string; }; query: { key?: string; held?: number; }; body: undefined; answer: CouncilDecisionView };
  "GET /api/v1/councils/{council}/proof": { path: { council: string; }; query: { sequence?: number; position?: number; }; body: undefined; answer: CouncilProofView };
  "POST /api/v1/councils:verify": { path: {  }; query: {  }; body: CouncilProofInput; answer: CouncilProvedView };
  "POST /api/v1/councils/{council}/members": { path: { council: string; }; query: {  }; body: CouncilMemberInput; answer: CouncilView };
  "DELETE /api/v1/councils/{council}/members/{member}": { path: { council: string; member: string; }; query: {  }; body: undefined; answer: CouncilView };
  "GET /api/v1/councils/{council}/motions": { path: { council: string; }; query: {  }; body: undefined; answer: Array<CouncilMotionView> };
  "POST /api/v1/councils/{council}/motions/{motion}/approve": { path: { council: string; motion: string; }; query: {  }; body: undefined; answer: CouncilView };
  "POST /api/v1/councils/{council}/governed": { path: { council: string; }; query: {  }; body: CouncilGovernInput; answer: CouncilView };
}
