using ElasticTrain.Pipeline;

if (args is not ["clean", .. var rest] || rest is not ([] or ["--file", _]))
{
    Console.Error.WriteLine("usage: Data clean [--file F]");
    return 2;
}
Cleaning.Run(rest is [_, var file] ? file : null);
return 0;
