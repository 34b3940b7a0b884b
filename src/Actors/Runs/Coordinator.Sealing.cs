using Akka.Actor;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>Sealing: checkpoints beside the step loop, the final one, and the ways in which a run ends.</summary>
public sealed partial class Coordinator
{
    private const long EventsPerSnapshot = 1000;

    private static readonly TimeSpan RoundPatience = TimeSpan.FromMinutes(1);

    private CheckpointRound? _round;
    private string _stopReason = "";
    private long _lastSnapshot;

    /// <summary>Has every replica copy the version just decided; the copies are written while training goes on.</summary>
    private void StartRound()
    {
        if (IsSealed(_version)) return;
        if (_round is { } busy)
        {
            _host.Notes.Add($"the checkpoint of step {_version.Step} is skipped: the one of step {busy.Version.Step} is still being written");
            return;
        }
        _round = new CheckpointRound(_version, _optimizerStep, _run.Layout.Shards.Count, _host.UtcNow);
        foreach (var shard in _run.Layout.Shards) _host.Tell(_replicas.Primary(shard.Id).Actor, new SnapshotReplica(_term, _version));
    }

    private bool IsSealed(Lineage version) => !_badSeals.Contains(version) && _state.Seals.Any(s => s.Version == version);

    private void OnBlobWritten(BlobWritten message)
    {
        if (_round is not { } round || message.Version != round.Version || !round.Add(message, _host.UtcNow)) return;
        _host.Tell(_host.CheckpointWriter, new WriteManifest(round.Manifest(_run.PlanHash), _host.Self));
    }

    private void OnManifestWritten(ManifestWritten message)
    {
        if (_round is not { } round || message.Version != round.Version) return;
        round.State = message.State;
        TrySeal();
    }

    /// <summary>
    /// Seals a complete checkpoint once its step's commit is durable, so that the seal cannot outlive the commit, whatever a journal
    /// does with two writes at once.
    /// </summary>
    private void TrySeal()
    {
        if (_round is not { State: { } state, Sealing: false } round || _state.VersionAt(round.Version.Step) != round.Version) return;
        round.Sealing = true;
        Record(new CheckpointSealed(round.Version, state, round.OptimizerStep), () =>
        {
            _badSeals.Remove(round.Version);
            if (_round == round) _round = null;
            _host.Tell(_host.CheckpointWriter, new CollectCheckpoints(
                [.. _state.Seals.Select(s => s.Version).Where(v => !_badSeals.Contains(v)).Distinct().OrderBy(v => v.Step).TakeLast(Math.Max(1, _run.Plan.Checkpoint.Keep))]));
            if (_host.JournalLength - _lastSnapshot >= EventsPerSnapshot)
            {
                _lastSnapshot = _host.JournalLength;
                _host.SaveSnapshot(RunSnapshot.Of(_state));
            }
            OpenStep();
        });
    }

    /// <summary>A message of the round was lost with its node or its connection: ask again, or give the round up where the replicas have moved on.</summary>
    private void NudgeRound()
    {
        if (_round is not { Sealing: false } round || _host.UtcNow - round.LastProgress < RoundPatience) return;
        round.LastProgress = _host.UtcNow;
        if (round.IsComplete)
        {
            if (round.State is null) _host.Tell(_host.CheckpointWriter, new WriteManifest(round.Manifest(_run.PlanHash), _host.Self));
        }
        else if (round.Version == _version)
        {
            foreach (var shard in round.Missing) _host.Tell(_replicas.Primary(shard).Actor, new SnapshotReplica(_term, _version));
        }
        else
        {
            _host.Notes.Add($"the checkpoint of step {round.Version.Step} is given up: no news of shards {string.Join(", ", round.Missing)}");
            _round = null;
        }
    }

    private void OnBlobFailed(BlobFailed message)
    {
        if (_round is not { } round || message.Version != round.Version) return;
        // A question asked twice may be answered once more when the replica has moved on.
        if (message.Shard.Value >= 0 && !round.Missing.Contains(message.Shard)) return;
        _round = null;
        bool last = round.Version == _version && (_stopping || _version.Step.Value >= _target.Steps);
        _host.Notes.Add($"the checkpoint of step {round.Version.Step} could not be written: {message.Reason}");
        Record(new CheckpointFailed(round.Version.Step, message.Reason), () =>
        {
            if (!last) return;
            string from = _state.Seals.Count == 0 ? "the initial state" : $"the checkpoint of step {_state.Seals[^1].Version.Step}";
            End(1, $"the last checkpoint could not be written: {message.Reason}. Nothing is lost: run the same command again once this is mended; it replays from {from}");
        });
    }

    /// <summary>No further step: seal the state if it is not sealed, then end.</summary>
    private void SealLast()
    {
        if (_pendingCommits > 0 || _round is not null) return;
        if (!IsSealed(_version))
        {
            _detail = $"sealing the checkpoint of step {_version.Step}";
            StartRound();
            return;
        }
        var seal = _state.Seals.Last(s => s.Version == _version);
        if (_stopping)
        {
            End(130, $"stopped at step {_version.Step} ({_stopReason}); the state is saved");
            return;
        }
        _phase = Phase.Finished;
        _detail = "finished";
        Record(new RunFinished(_version, seal.State), () => End(0, $"finished at step {_version.Step}"));
    }

    private void OnStop(StopRun message, IActorRef sender)
    {
        if (_stopping || _phase == Phase.Finished)
        {
            if (_end is not null) _host.Tell(sender, _end);
            return;
        }
        _stopping = true;
        _stopReason = message.Reason;
        _host.Notes.Add($"stopping: {message.Reason}");
        if (_phase != Phase.Stepping)
        {
            End(130, $"stopped at step {_state.Committed.Count} ({message.Reason})");
            return;
        }
        _roster.TakeBackAll();
        _progress = null;
        OpenStep();
    }
}
