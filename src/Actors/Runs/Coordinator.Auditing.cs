using ElasticTrain.Actors.Devices;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>
/// Auditing: a share of the ranks is computed twice, on another device where there is one, and no step is decided before both have said the same. Whoever is outvoted
/// is named; if its bits are in the step's sums, another attempt at the step is made without it.
/// </summary>
public sealed partial class Coordinator
{
    /// <summary>Corrupt attempts at one step in one term after which the run halts: something is wrong that another attempt does not mend.</summary>
    private const int MostAttempts = 8;

    /// <summary>How many times <c>elastic.suspect-after</c> a rank of which nobody can tell who is right waits for another node.</summary>
    private const int TieBreakPatience = 10;

    /// <summary>Tensors that one event names.</summary>
    private const int MostTensorsNamed = 4;

    /// <summary>Checksums that are to be expected in one result at most: about a megabyte.</summary>
    private const int MostChecksums = 50_000;

    private readonly HashSet<string> _suspects = [];
    private IReadOnlyList<RankChecksums.Piece>? _pieces;
    private StepAudit? _decidedAudit;
    private Attempt _lastAttempt, _placedAt;
    private Lineage _attempted;
    private int _attemptsMade;
    private bool _auditAll;
    private (int Rank, int Answers, DateTime Since)? _undecided;
    private int _mostRanks = int.MaxValue;

    private IReadOnlyList<RankChecksums.Piece> Pieces => _pieces ??= RankChecksums.PiecesOf(_run.Layout);

    private bool IsAuditing => _run.Plan.Elastic.Audit > 0;

    /// <summary>Counts an attempt at a step; of the first one nobody is suspected.</summary>
    private void BeginAttempt()
    {
        if (_attempted != _version)
        {
            (_attempted, _attemptsMade, _auditAll) = (_version, 0, false);
            _suspects.Clear();
        }
        _lastAttempt = _lastAttempt.Next;
        _undecided = null;
    }

    private StepAudit NewAudit(Step step) => new(_auditAll ? Enumerable.Range(0, _run.VirtualRanks) : StepAudit.Drawn(_run.Plan.Seed, step, _run.VirtualRanks, _run.Plan.Elastic.Audit));

    /// <summary>Ranks of one grant, so that the checksums that are to be expected in its result fit well into a message.</summary>
    private int MostRanks(StepAudit audit)
    {
        int audited = audit.In(new RankRange(0, _run.VirtualRanks)).Count;
        if (audited == 0) return int.MaxValue;
        return Math.Max(1, (int)((double)MostChecksums * _run.VirtualRanks / ((double)audited * Pieces.Count)));
    }

    private bool IsSuspected(DeviceSlot device) => _suspects.Contains(device.Id.Node);

    /// <summary>Whether devices of suspected nodes are left out: there are others, and they answer.</summary>
    private bool IsChoosy() => _suspects.Count > 0 && _roster.Devices.Any(d => !IsSuspected(d) && !d.IsOverdue);

    /// <summary>Devices that can be given work in this attempt: those of suspected nodes only where there are no others. Nobody waits for one that is overdue.</summary>
    private List<DeviceSlot> Trusted()
    {
        bool choosy = IsChoosy();
        return [.. _roster.Devices.Where(d => !d.IsOverdue && !(choosy && IsSuspected(d)))];
    }

    /// <summary>
    /// Devices that compute ranks again: those that can be given work; where a rank would come back to the device that has computed it, also those that are to go; and
    /// all that there are before the run halts because nobody can tell who is right.
    /// </summary>
    private List<DeviceSlot> Auditors(StepProgress progress, List<DeviceSlot> trusted)
    {
        if (!progress.Audit.NeedsOthers(Ids(trusted))) return trusted;
        List<DeviceSlot> all = [.. _roster.AnsweringDevices.Where(d => !d.IsOverdue)], wider = [.. all.Where(d => !IsSuspected(d)).Union(trusted)];
        return progress.Audit.Undecidable(Ids(wider)) is null ? wider : all;
    }

    /// <summary>Gives idle devices ranks to compute again, when nobody waits for ranks of the step's sums.</summary>
    private void GrantAudits(StepProgress progress)
    {
        bool choosy = IsChoosy();
        var idle = _roster.Idle;
        // Nearly always there is a device that has had nothing to do with the rank, and no others need be looked at.
        foreach (var device in idle.Where(d => !(choosy && IsSuspected(d)) && !MustWait(d)))
            if (progress.Audit.GrantFresh(_lastGrant + 1, device.Id) is { } rank) Give(device, NewGrant(progress, rank) with { IsAudit = true });
        if (!progress.Audit.HasOpen || (idle.All(d => d.Grant is not null) && !_roster.Workers.Any(w => w.Draining))) return;
        var auditors = Auditors(progress, Trusted());
        var ids = Ids(auditors);
        foreach (var device in auditors.Where(d => d.Grant is null && !MustWait(d)))
            if (progress.Audit.GrantAudit(_lastGrant + 1, device.Id, ids) is { } rank) Give(device, NewGrant(progress, rank) with { IsAudit = true });
    }

    private static List<DeviceId> Ids(IEnumerable<DeviceSlot> devices) => [.. devices.Select(d => d.Id)];

    /// <summary>Names whoever has been outvoted, and makes another attempt where the sums hold its bits.</summary>
    private void JudgeAudits()
    {
        if (_phase != Phase.Stepping || _progress is not { } progress) return;
        if (!progress.Audit.HasDisputed)
        {
            _undecided = null;
            return;
        }
        foreach (var finding in progress.Audit.TakeFindings())
        {
            Suspect(progress, finding, isUndecided: false);
            _suspects.Add(finding.Odd.Device.Node);
        }
        if (progress.Audit.IsSumWrong)
        {
            RestartCorruptStep($"computed with other bits by {string.Join(" and ", _suspects.Order(StringComparer.Ordinal))}");
            return;
        }
        if (progress.Audit.Undecided is not { } rank)
        {
            _undecided = null;
            return;
        }
        // Another device is asked; where there is none, a node that comes back may tell.
        var answers = progress.Audit.Of(rank);
        if (_undecided is not { } known || known.Rank != rank || known.Answers != answers.Count) _undecided = (rank, answers.Count, _host.UtcNow);
        var patience = _run.Plan.Elastic.SuspectAfter * TieBreakPatience;
        if (_longestGrant * TieBreakPatience > patience) patience = _longestGrant * TieBreakPatience;
        if (_host.UtcNow - _undecided.Value.Since < patience) return;
        foreach (var finding in progress.Audit.Differences(rank)) Suspect(progress, finding, isUndecided: true);
        Halt(progress.Step, $"rank {rank} was computed {answers.Count} times by {string.Join(" and ", answers.Select(a => a.Device.ToString()).Distinct())} with different bits, and nobody can tell which are right");
    }

    private void Suspect(StepProgress progress, AuditFinding finding, bool isUndecided)
    {
        var (odd, expected) = (finding.Odd, finding.Expected);
        List<int> differing = [.. Enumerable.Range(0, odd.Checksums.Count).Where(i => odd.Checksums[i] != expected.Checksums[i])];
        var tensors = differing.Take(MostTensorsNamed).Select(i => i < Pieces.Count
            ? new TensorFinding(Pieces[i].Shard, Pieces[i].Name, expected.Checksums[i], odd.Checksums[i])
            : new TensorFinding(null, "losses and token counts", expected.Checksums[i], odd.Checksums[i])).ToList();
        Suspect(new CorruptionSuspected(progress.Input, progress.Attempt, new RankId(finding.Rank), odd.Number, odd.Device, tensors, differing.Count) { IsUndecided = isUndecided });
    }

    private void Suspect(CorruptionSuspected corruption)
    {
        _host.Notes.Add($"corruption suspected: {corruption}");
        Record(corruption, () => { });
    }

    private void RestartCorruptStep(string reason)
    {
        if (++_attemptsMade < MostAttempts) RestartStep(reason);
        else Halt(_version.Step.Next, $"{MostAttempts} attempts at it were given up, the last one because it was {reason}");
    }

    /// <summary>Throws away what was contributed to the step in progress and begins it anew: replicas take nothing of an earlier attempt for the new one's.</summary>
    private void RestartStep(string reason)
    {
        var input = _progress!.Input;
        _host.Notes.Add($"step {input.Step.Next} begins anew: {reason}");
        _roster.TakeBackAll();
        Record(new StepRestarted(input, _progress.Attempt, reason), () => { });
        _progress = null;
        OpenStep();
    }

    /// <summary>
    /// Two computations of the same ranks reached a replica with different bits. With audits on, the next attempt computes every rank twice, which shows who is wrong; what
    /// an abandoned attempt has to say is of no interest, and one that was decided has been audited, or it halts the run.
    /// </summary>
    /// <returns>Whether the run can go on.</returns>
    private bool Contradict(RanksFailed message)
    {
        if (!message.IsMismatch || !IsAuditing) return false;
        if (_phase == Phase.Stepping && message.Attempt == _progress?.Attempt)
        {
            _auditAll = true;
            RestartCorruptStep($"contributed with different bits: {message.Reason}");
            return true;
        }
        if (_lastApply is not { } last || last.Attempt != message.Attempt) return true;
        if (_decidedAudit?.UnreportedBySettled(message.GrantId) is not { } late) return false;
        Suspect(new CorruptionSuspected(last.Input, last.Attempt, new RankId(late.Ranks.Lo), 0, late.Device, [], 0));
        return true;
    }
}
